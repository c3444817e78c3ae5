"""The list of comparisons with Stripe stands by the time that it shows, newest first."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("shop", "0024_free_plan_words")]

    operations = [
        AddIndexConcurrently("reconciliation", models.Index(fields=["-began_at", "-id"], name="reconciliation_newest")),
    ]
