"""What was paid long ago is kept summed up by day, so that a range of years costs a page little."""

from django.db import migrations, models

from loremotion.row_security import policies


class Migration(migrations.Migration):
    dependencies = [("shop", "0020_what_waits_for_staff")]

    operations = [
        migrations.CreateModel(
            name="PaymentDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("paid_minor", models.BigIntegerField()),
                ("refunded_minor", models.BigIntegerField()),
                ("disputed_minor", models.BigIntegerField()),
                ("payments", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("day", "currency"), name="payments_of_day")],
            },
        ),
        policies.rows_of_nobody("shop_paymentday"),
        migrations.RunSQL(
            """
            INSERT INTO shop_paymentday (day, currency, paid_minor, refunded_minor, disputed_minor, payments)
            SELECT (paid_at AT TIME ZONE 'UTC')::date, currency,
                sum(amount_minor), sum(refunded_minor), sum(disputed_minor), count(*)
            FROM shop_payment GROUP BY 1, 2
            """,
            migrations.RunSQL.noop,
        ),
    ]
