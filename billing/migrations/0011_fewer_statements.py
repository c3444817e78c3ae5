"""A hold and its settlement in fewer statements, and one CHECK a table, which PostgreSQL need not plan each time."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from billing import sql

# The projection asks for what the keys asked for: the transaction that entries join, and the account of a hold with it.
# All tables are locked first, beginning with the one that a hold looks at first: or the two could wait for each other.
CLEAR_AWAY = """
LOCK TABLE ledger_transaction, ledger_hold, ledger_entry, ledger_lot, ledger_account;
DO $$
DECLARE rule record;
BEGIN
    FOR rule IN
        SELECT conrelid::regclass AS its_table, conname FROM pg_constraint
        WHERE contype = 'c' AND conname NOT LIKE '%_is_sound' AND conrelid IN ('ledger_account'::regclass,
            'ledger_lot'::regclass, 'ledger_transaction'::regclass, 'ledger_entry'::regclass, 'ledger_hold'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', rule.its_table, rule.conname);
    END LOOP;
END $$;
ALTER TABLE ledger_entry DROP CONSTRAINT IF EXISTS ledger_entry_account_id_seq_fkey;
ALTER TABLE ledger_hold DROP CONSTRAINT IF EXISTS ledger_hold_account_id_fkey;
DROP FUNCTION IF EXISTS ledger_draw, ledger_require_positive;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("billing", "0010_credits_that_never_moved")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(CLEAR_AWAY, migrations.RunSQL.noop),
        migrations.RunSQL(sql.GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(sql.FUNCTIONS, migrations.RunSQL.noop),
    ]
