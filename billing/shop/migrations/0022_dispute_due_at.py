"""Until when a dispute can be answered, as Stripe says it. Of those that are there it is read with their next event."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0021_payment_days")]

    operations = [
        migrations.AddField(
            "payment",
            "dispute_due_at",
            models.DateTimeField(blank=True, help_text="Until when Stripe takes our answer.", null=True),
        ),
    ]
