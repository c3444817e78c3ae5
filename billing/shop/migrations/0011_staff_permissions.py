"""Revenue is seen by permission."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0010_open_clips_of_payers"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="payment",
            options={
                "permissions": [
                    ("refund_payment", "Can refund payments"),
                    ("view_revenue", "Can see revenue and what is owed for unspent credits"),
                ]
            },
        ),
    ]
