"""What was learned by the names of workers goes: it is learned by the make of their card."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

BY_WORKER = "DELETE FROM generation_servicerate WHERE key LIKE '%/%/%/%/%/%'"  # part, build, mode, preset, size, worker


class Migration(migrations.Migration):
    dependencies = [("generation", "0024_by_time")]
    operations: ClassVar[list[Operation]] = [migrations.RunSQL(BY_WORKER, migrations.RunSQL.noop)]
