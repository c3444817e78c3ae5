"""Prompts are searched by an index of their words."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import SearchVector
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0019_forecasts")]

    operations = [
        AddIndexConcurrently(
            "generation", GinIndex(SearchVector("prompt", config="simple"), name="generation_prompt_words")
        ),
    ]
