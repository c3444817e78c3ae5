"""Debts that staff writes off: a code and a kind of transaction for them, and the functions anew.

A database that is new has all of this from sql/tables.sql, so each step also stands where it is done already; the
CHECKs go again with 0011.
"""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from billing import sql

WIDEN = """
ALTER TABLE ledger_lot
    ADD COLUMN IF NOT EXISTS forgiven bigint NOT NULL DEFAULT 0 CHECK (forgiven <= 0),
    DROP CONSTRAINT IF EXISTS ledger_lot_is_accounted_for,
    ADD CONSTRAINT ledger_lot_is_accounted_for
        CHECK (remaining + held + consumed + expired + clawed + adjusted + moved + repaid + forgiven = issued),
    DROP CONSTRAINT IF EXISTS ledger_lot_forgives_what_was_clawed,
    ADD CONSTRAINT ledger_lot_forgives_what_was_clawed CHECK (clawed + forgiven >= 0);
CREATE INDEX IF NOT EXISTS ledger_lot_owing ON ledger_lot (account_id) WHERE repaid < 0;
CREATE INDEX IF NOT EXISTS ledger_account_merged ON ledger_account (merged_into_id) WHERE merged_into_id IS NOT NULL;
CREATE OR REPLACE TRIGGER ledger_begins_empty BEFORE INSERT ON ledger_lot FOR EACH ROW
    WHEN (NEW.issued <> 0 OR (NEW.remaining, NEW.held, NEW.consumed, NEW.expired) <> (0, 0, 0, 0)
        OR (NEW.clawed, NEW.adjusted, NEW.moved, NEW.repaid, NEW.forgiven) <> (0, 0, 0, 0, 0))
    EXECUTE FUNCTION ledger_refuse();

ALTER TABLE ledger_transaction
    DROP CONSTRAINT IF EXISTS ledger_transaction_kind_check,
    ADD CONSTRAINT ledger_transaction_kind_check CHECK (
        kind IN ('grant', 'hold', 'settle', 'expire', 'clawback', 'adjust', 'merge', 'writeoff')
    );
ALTER TABLE ledger_entry
    DROP CONSTRAINT IF EXISTS ledger_entry_code_check,
    ADD CONSTRAINT ledger_entry_code_check CHECK (
        code IN ('issued', 'available', 'held', 'consumed', 'expired', 'clawed', 'adjusted', 'moved', 'debt',
            'forgiven')
    );
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("billing", "0002_ledger_models")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(WIDEN, migrations.RunSQL.noop),
        migrations.RunSQL(sql.FUNCTIONS, migrations.RunSQL.noop),
        migrations.RunSQL(sql.VIOLATIONS, migrations.RunSQL.noop),
    ]
