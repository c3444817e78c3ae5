"""Staff finds the mail about one thing, and what was given up, without reading a whole table."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("outbox", "0008_staff_permissions")]

    operations = [
        AddIndexConcurrently("mailmessage", models.Index(fields=["about"], name="letter_about")),
        AddIndexConcurrently(
            "mailmessage", models.Index(fields=["-id"], name="letter_dead", condition=Q(state="dead"))
        ),
    ]
