"""Lists of staff stand by the time that they show, newest first; what was given up too."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("outbox", "0012_readers_language")]

    operations = [
        AddIndexConcurrently("mailmessage", models.Index(fields=["-created_at", "-id"], name="letter_newest")),
        AddIndexConcurrently(
            "mailmessage",
            models.Index(fields=["-created_at", "-id"], name="letter_dead_newest", condition=Q(state="dead")),
        ),
        RemoveIndexConcurrently("mailmessage", "letter_dead"),
    ]
