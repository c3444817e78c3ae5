"""Staff finds a payment by its invoice at Stripe, however many there are."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("shop", "0011_staff_permissions")]

    operations = [
        AddIndexConcurrently("payment", models.Index(fields=["stripe_invoice_id"], name="payment_of_invoice")),
    ]
