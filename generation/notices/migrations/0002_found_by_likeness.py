"""What was reported is known by its bytes and its picture, and what the site itself found, as such.

The database fills the columns in for the release before, which knows none of them.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notices", "0001_notices"),
    ]

    operations = [
        migrations.AddField(
            "notice",
            "is_found",
            models.BooleanField(db_default=False, default=False, verbose_name="found by its likeness"),
        ),
        *(
            migrations.AddField("notice", name, models.CharField(blank=True, db_default="", default="", max_length=64))
            for name in ("perceptual_hash", "sha256")
        ),
    ]
