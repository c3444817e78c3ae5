"""Where a clip's files lie follows from its request's id, and nothing reads where a request's share of the queue began."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

# Files that lie elsewhere would be lost to the site with the columns.
ALL_LIE_WHERE_THEY_SHOULD = """
DO $$
DECLARE astray uuid;
BEGIN
    SELECT generation_id INTO astray FROM generation_clip
    WHERE (key, poster_key) <> ('clips/' || generation_id || '/clip.mp4', 'clips/' || generation_id || '/poster.jpg')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the files of clip % do not lie in clips/%/: move them there, and its key and poster_key', astray,
            astray;
    END IF;
END $$
"""
WHERE_THEY_LIE = """
UPDATE generation_clip SET
    key = 'clips/' || generation_id || '/clip.mp4', poster_key = 'clips/' || generation_id || '/poster.jpg'
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("generation", "0009_row_security")]
    operations: ClassVar[list[Operation]] = [
        # The columns stay for processes of the release before, and are filled in where this one leaves them out.
        migrations.AlterField("clip", "key", models.CharField(max_length=200, default="", db_default="")),
        migrations.AlterField("clip", "poster_key", models.CharField(max_length=200, default="", db_default="")),
        migrations.AlterField("generation", "fair_start", models.FloatField(default=0.0, db_default=0.0)),
        migrations.RunSQL(ALL_LIE_WHERE_THEY_SHOULD, WHERE_THEY_LIE),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("clip", "key"),
                migrations.RemoveField("clip", "poster_key"),
                migrations.RemoveField("generation", "fair_start"),
            ]
        ),
    ]
