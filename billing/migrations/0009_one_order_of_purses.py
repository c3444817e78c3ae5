"""The kernel's functions anew: settling locks the purses behind its credits in one order."""

from pathlib import Path
from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

FOLDER = Path(__file__).resolve().parent.parent


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_free_reservation")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL((FOLDER / "ledger.sql").read_text(), migrations.RunSQL.noop),
    ]
