"""The kernel's functions anew: credits that are given back settle what their grant owes elsewhere."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

FOLDER = Path(__file__).resolve().parent.parent


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_row_security")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL((FOLDER / "ledger.sql").read_text(), migrations.RunSQL.noop),
    ]
