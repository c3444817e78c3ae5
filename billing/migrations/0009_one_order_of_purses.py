"""The kernel's functions anew: settling locks the purses behind its credits in one order."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from billing import sql


class Migration(migrations.Migration):
    dependencies = [("billing", "0008_free_reservation")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(sql.FUNCTIONS, migrations.RunSQL.noop),
    ]
