"""The kernel's functions anew: credits that are given back settle what their grant owes elsewhere."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from billing import sql


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_row_security")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(sql.FUNCTIONS, migrations.RunSQL.noop),
    ]
