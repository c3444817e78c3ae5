"""Disputes, and plans whose payment failed, are found without reading every payment and subscription."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("shop", "0019_fee_days")]

    operations = [
        AddIndexConcurrently(
            "payment",
            models.Index(
                fields=["dispute_status"],
                name="payment_disputed",
                condition=models.Q(("dispute_status", ""), _negated=True),
            ),
        ),
        AddIndexConcurrently(
            "subscription",
            models.Index(
                fields=["past_due_since"],
                name="subscription_late",
                condition=models.Q(("past_due_since__isnull", False)),
            ),
        ),
    ]
