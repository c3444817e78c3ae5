"""The last free clip of a network is found by its tag in the network's line."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("generation", "0038_network_finish")]
    operations: ClassVar[list[Operation]] = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                "network",
                Coalesce("network_finish", "fair_finish"),
                name="generation_in_network",
                condition=models.Q(state="queued") & ~models.Q(network=""),
            ),
        ),
        RemoveIndexConcurrently("generation", "generation_of_network"),
    ]
