"""Staff sees the newest orders, and finds what Stripe said of one thing, without reading a whole table."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("shop", "0014_payment_by_time")]

    operations = [
        AddIndexConcurrently("order", models.Index(fields=["-created_at", "-id"], name="order_newest")),
        AddIndexConcurrently("order", models.Index(fields=["account"], name="order_of_account")),
        AddIndexConcurrently("payment", models.Index(fields=["account"], name="payment_of_account")),
        AddIndexConcurrently("stripeevent", models.Index(fields=["object_id"], name="event_of_object")),
    ]
