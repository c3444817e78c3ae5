"""What is owed in clips is kept day by day, so that its course can be seen."""

from django.db import migrations, models

from loremotion.row_security import policies


class Migration(migrations.Migration):
    dependencies = [("shop", "0017_daily_and_item_caps")]

    operations = [
        migrations.CreateModel(
            name="LiabilityDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("unspent_minor", models.BigIntegerField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("day", "currency"), name="liability_of_day")],
            },
        ),
        policies.rows_of_nobody("shop_liabilityday"),
    ]
