"""What a key has spent in a day or a month is added up without reading what it made before."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0047_clip_picture_indexes")]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["api_key", "created_at"],
                name="generation_spent_by_key",
                condition=models.Q(api_key__isnull=False),
            ),
        ),
    ]
