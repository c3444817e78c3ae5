"""The last free clip of a network is found without walking through the queue."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("generation", "0035_network_line")]
    operations: ClassVar[list[Operation]] = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["network", "fair_finish"],
                name="generation_of_network",
                condition=models.Q(state="queued") & ~models.Q(network=""),
            ),
        ),
    ]
