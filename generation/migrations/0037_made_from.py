"""What was made from a clip is found without reading what else there is."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0036_network_index")]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                KeyTextTransform("video", "inputs"),
                name="generation_made_from",
                condition=models.Q(inputs__has_key="video"),
            ),
        ),
    ]
