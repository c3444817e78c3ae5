"""By which a copy of a clip is found that was encoded anew. The release before notes nothing."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("generation", "0033_missed_ranges")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(
            "clip", "perceptual_hash", models.CharField(blank=True, db_default="", default="", max_length=64)
        ),
    ]
