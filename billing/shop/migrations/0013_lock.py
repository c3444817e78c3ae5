"""Locks are rows that lapse, so that who waits for Stripe with one keeps no connection of the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0012_payment_of_invoice")]

    operations = [
        migrations.CreateModel(
            name="Lock",
            fields=[
                ("subject", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("holder", models.UUIDField()),
                ("lapses_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
