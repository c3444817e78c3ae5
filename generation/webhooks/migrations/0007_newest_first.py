"""Lists of staff stand by the time that they show, newest first; what was given up too."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("webhooks", "0006_state_in_words")]

    operations = [
        AddIndexConcurrently("delivery", models.Index(fields=["-created_at", "-id"], name="delivery_newest")),
        AddIndexConcurrently(
            "delivery",
            models.Index(fields=["-created_at", "-id"], name="delivery_dead_newest", condition=Q(state="dead")),
        ),
        RemoveIndexConcurrently("delivery", "delivery_dead"),
    ]
