"""What Stripe keeps is noted day by day, so that a range of days has its net."""

from django.db import migrations, models

from loremotion.row_security import policies


class Migration(migrations.Migration):
    dependencies = [("shop", "0018_liability_days")]

    operations = [
        migrations.CreateModel(
            name="FeeDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("fee_minor", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("day", "currency"), name="fees_of_day")],
            },
        ),
        policies.rows_of_nobody("shop_feeday"),
    ]
