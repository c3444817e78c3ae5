"""The fair queue is read in order, and by size, without walking through it. The release before goes on in either."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("generation", "0016_continued_seconds")]
    operations: ClassVar[list[Operation]] = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["fair_finish", "created_at", "id"],
                include=["needs_bytes"],
                name="generation_in_line",
                condition=models.Q(state="queued"),
            ),
        ),
        AddIndexConcurrently(
            "generation",
            models.Index(
                Coalesce("needs_bytes", 0),
                "fair_finish",
                "created_at",
                "id",
                name="generation_in_line_by_size",
                condition=models.Q(state="queued"),
            ),
        ),
        RemoveIndexConcurrently("generation", "generation_waiting"),
    ]
