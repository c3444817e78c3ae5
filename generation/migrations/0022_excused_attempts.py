"""Attempts that ended through no fault of the clip are counted apart. The release before counts none."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("generation", "0021_join_line")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(
            "generation", "excused_attempts", models.PositiveSmallIntegerField(db_default=0, default=0)
        ),
    ]
