"""Requests of a span of time are found by when they came."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0023_tiers")]

    operations = [
        AddIndexConcurrently(
            "generation",
            BrinIndex(fields=["created_at"], pages_per_range=32, autosummarize=True, name="generation_by_time"),
        ),
    ]
