"""The ledger: its tables, the functions that post, and the view of what must never be.

The SQL stands in billing/ledger*.sql. A released table is changed by a later migration's ALTER; a rule or a function by
running the whole of ledger_guards.sql or ledger.sql again, which only replaces them.
"""

from pathlib import Path
from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

FOLDER = Path(__file__).resolve().parent.parent

DROP_ALL = """
DROP VIEW ledger_violations;
DROP VIEW ledger_allocation;
DROP TABLE ledger_hold, ledger_entry, ledger_transaction, ledger_lot, ledger_account CASCADE;
DO $$
DECLARE leftover regprocedure;
BEGIN
    FOR leftover IN SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'ledger\\_%'
    LOOP
        EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', leftover);
    END LOOP;
END $$;
DROP TYPE ledger_leg;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = []
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL((FOLDER / "ledger_tables.sql").read_text(), DROP_ALL),
        migrations.RunSQL((FOLDER / "ledger_guards.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL((FOLDER / "ledger.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL((FOLDER / "ledger_violations.sql").read_text(), migrations.RunSQL.noop),
    ]
