"""Sending an event again takes a permission of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0001_from_outbox"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "permissions": [("retry_delivery", "Can have webhook events sent that could not be")],
                "verbose_name_plural": "deliveries",
            },
        ),
    ]
