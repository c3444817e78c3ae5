"""The kernel's functions anew: a hold of credits that never moved looks for no purses behind it."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

FOLDER = Path(__file__).resolve().parent.parent


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_one_order_of_purses")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL((FOLDER / "ledger.sql").read_text(), migrations.RunSQL.noop),
    ]
