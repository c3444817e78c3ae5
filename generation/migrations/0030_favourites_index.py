"""A workspace's few favourites are found without reading its other clips."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0029_favourites")]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["workspace", "-created_at", "-id"],
                name="generation_favourites",
                condition=models.Q(is_favourite=True),
            ),
        ),
    ]
