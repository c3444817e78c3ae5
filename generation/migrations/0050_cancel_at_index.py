"""The beat finds what is to be cancelled without looking at what is not."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0049_cancel_at")]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["cancel_at"],
                name="generation_to_cancel",
                condition=models.Q(state__in=["queued", "dispatched", "running"], cancel_at__isnull=False),
            ),
        ),
    ]
