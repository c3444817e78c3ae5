"""What was called purse is the ledger's account. The columns keep their name, so nothing is rewritten or locked."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


def renamed(model: str) -> list[Operation]:
    return [
        migrations.RenameField(model, "purse", "account"),
        migrations.AlterField(model, "account", models.UUIDField(db_column="purse")),
    ]


class Migration(migrations.Migration):
    dependencies: ClassVar = [("shop", "0006_what_is_sold_says_what_it_does")]
    operations: ClassVar[list[Operation]] = [
        migrations.SeparateDatabaseAndState(
            state_operations=[*renamed("order"), *renamed("subscription"), *renamed("payment")]
        )
    ]
