"""In whose line a request waits. The release before writes none, and its requests wait in their workspace's."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("generation", "0017_line")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("generation", "fair_weight", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField(
            "generation", "flow", models.CharField(blank=True, db_default="", default="", max_length=60)
        ),
        AddIndexConcurrently(
            "generation",
            models.Index(fields=["flow", "fair_finish"], name="generation_in_flow", condition=models.Q(state="queued")),
        ),
    ]
