"""The wall around orders and payments. What Stripe sent and how the books compare is the site's own."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies


class Migration(migrations.Migration):
    dependencies = [("shop", "0004_balance"), ("accounts", "0004_row_security")]
    operations: ClassVar[list[Operation]] = [
        policies.rows_of_workspace("shop_customer", "workspace"),
        policies.rows_of_workspace("shop_order", "workspace"),
        policies.rows_of_workspace("shop_subscription", "workspace"),
        policies.rows_of_workspace("shop_payment", "workspace"),
        policies.rows_of_workspace("shop_budget", "workspace"),
        policies.rows_of_nobody("shop_stripeevent"),
        policies.rows_of_nobody("shop_reconciliation"),
        policies.rows_of_nobody("shop_mismatch"),
    ]
