from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("shop", "0002_first_plans"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="payment",
            options={"permissions": [("refund_payment", "Can refund payments")]},
        ),
    ]
