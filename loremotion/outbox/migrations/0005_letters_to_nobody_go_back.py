"""Backward alone: letters to a mere address have no place in the table as it was, so they go first."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("outbox", "0004_letter_address")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(migrations.RunSQL.noop, "DELETE FROM outbox_letter WHERE user_id IS NULL"),
    ]
