"""Why ranges were missed. The release before notes none."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("generation", "0032_newest")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("toldrange", "attempt", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddField(
            "toldrange", "missed_by", models.CharField(blank=True, db_default="", default="", max_length=20)
        ),
        migrations.AddField("forecasthour", "misses", models.JSONField(db_default={}, default=dict)),
    ]
