"""The sums of a day are true or marked as old, in the transaction that changes a payment."""

from django.db import migrations, models

from loremotion.row_security import policies

# Whoever writes the payment may not see the marks: the function runs as its owner.
MARKING = """
CREATE FUNCTION shop_mark_changed_day() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO shop_changedday (day) VALUES ((OLD.paid_at AT TIME ZONE 'UTC')::date);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO shop_changedday (day) VALUES ((NEW.paid_at AT TIME ZONE 'UTC')::date);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER shop_changed_day AFTER INSERT OR DELETE ON shop_payment
    FOR EACH ROW EXECUTE FUNCTION shop_mark_changed_day();
CREATE TRIGGER shop_changed_day_of_update AFTER UPDATE ON shop_payment FOR EACH ROW WHEN (
    (OLD.paid_at, OLD.currency, OLD.amount_minor, OLD.refunded_minor, OLD.disputed_minor)
    IS DISTINCT FROM (NEW.paid_at, NEW.currency, NEW.amount_minor, NEW.refunded_minor, NEW.disputed_minor)
) EXECUTE FUNCTION shop_mark_changed_day();
INSERT INTO shop_changedday (day) SELECT DISTINCT (paid_at AT TIME ZONE 'UTC')::date FROM shop_payment
"""
NO_MARKING = """
DROP TRIGGER shop_changed_day_of_update ON shop_payment;
DROP TRIGGER shop_changed_day ON shop_payment;
DROP FUNCTION shop_mark_changed_day()
"""


class Migration(migrations.Migration):
    dependencies = [("shop", "0026_recommended_plan")]

    operations = [
        migrations.CreateModel(
            name="ChangedDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(db_index=True)),
            ],
            options={"default_permissions": ()},
        ),
        policies.rows_of_nobody("shop_changedday"),
        migrations.RunSQL(MARKING, NO_MARKING),
    ]
