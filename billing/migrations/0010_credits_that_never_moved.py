"""The kernel's functions anew: a hold of credits that never moved looks for no purses behind it."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from billing import sql


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_one_order_of_purses")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(sql.FUNCTIONS, migrations.RunSQL.noop),
    ]
