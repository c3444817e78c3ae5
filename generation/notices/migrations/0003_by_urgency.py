"""Staff sees reports in the order in which they are due without a whole table being read and sorted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("notices", "0002_found_by_likeness")]

    operations = [
        AddIndexConcurrently(
            "notice", models.Index(Coalesce("objected_at", "created_at"), "id", name="notice_by_urgency")
        ),
        AddIndexConcurrently(
            "notice",
            models.Index(
                Coalesce("objected_at", "created_at"),
                "id",
                name="notice_waiting_by_urgency",
                condition=models.Q(state__in=["open", "objected"]),
            ),
        ),
    ]
