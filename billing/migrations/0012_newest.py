"""Staff sees the newest accounts, holds and proposals without a whole table being read and sorted."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies: ClassVar = [("billing", "0011_fewer_statements")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ledger_account_newest ON ledger_account (opened_at DESC)",
            "DROP INDEX IF EXISTS ledger_account_newest",
        ),
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ledger_hold_newest ON ledger_hold (held_at DESC)",
            "DROP INDEX IF EXISTS ledger_hold_newest",
        ),
        AddIndexConcurrently("proposal", models.Index(fields=["-proposed_at", "-id"], name="proposal_newest")),
    ]
