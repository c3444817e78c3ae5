"""The ledger: its tables, the functions that post, and the view of what must never be.

The SQL stands in ``billing.sql``, which says how it changes.
"""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from billing import sql

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
        migrations.RunSQL(sql.TABLES, DROP_ALL),
        migrations.RunSQL(sql.GUARDS, migrations.RunSQL.noop),
        migrations.RunSQL(sql.FUNCTIONS, migrations.RunSQL.noop),
        migrations.RunSQL(sql.VIOLATIONS, migrations.RunSQL.noop),
    ]
