"""What a clip's pictures carry unseen, and the way from it to the clip."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0052_step_aside")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("clip", "invisible_id", models.BigIntegerField(null=True)),
        AddIndexConcurrently(
            "clip",
            models.Index(
                fields=["invisible_id"],
                name="clip_by_invisible_id",
                condition=models.Q(invisible_id__isnull=False),
            ),
        ),
    ]
