"""The wall around the purses. Whoever is bound reads its own, and posts to none but those through the ledger."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from loremotion.row_security import ROLE, policies

# A purse that was merged into another keeps its history and what is held in it, and both are the other's to see.
PURSES = """
CREATE FUNCTION row_security_purses() RETURNS uuid[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH RECURSIVE mine (id) AS (
        SELECT row_security_workspace()
        UNION SELECT account.id FROM ledger_account account JOIN mine ON account.merged_into_id = mine.id
    )
    SELECT array_agg(id) FROM mine WHERE id IS NOT NULL
$$
"""
NO_PURSES = "DROP FUNCTION row_security_purses()"

# The ledger's functions run as its owner, whom no policy binds, and every one of them posts a transaction.
GUARD = f"""
CREATE FUNCTION row_security_guard_purse() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.account_id = ANY (row_security_purses())) IS NOT TRUE THEN
        RAISE EXCEPTION 'the purse % is not of the workspace that asks', NEW.account_id USING ERRCODE = 'LM403';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER row_security_guard BEFORE INSERT ON ledger_transaction FOR EACH ROW
    WHEN (current_setting('role') = '{ROLE}') EXECUTE FUNCTION row_security_guard_purse();
-- Merging is what makes another's purse one's own.
CREATE FUNCTION row_security_guard_merge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the purse % is not of the workspace that asks alone', NEW.id USING ERRCODE = 'LM403';
END $$;
CREATE TRIGGER row_security_guard BEFORE UPDATE OF merged_into_id ON ledger_account FOR EACH ROW
    WHEN (current_setting('role') = '{ROLE}') EXECUTE FUNCTION row_security_guard_merge()
"""
NO_GUARD = """
DROP TRIGGER row_security_guard ON ledger_account;
DROP FUNCTION row_security_guard_merge();
DROP TRIGGER row_security_guard ON ledger_transaction;
DROP FUNCTION row_security_guard_purse()
"""


def rows_of_purse(table: str, column: str = "account_id") -> migrations.RunSQL:
    return policies.rows_where(table, f"{column} = ANY ((SELECT row_security_purses())::uuid[])", is_read_only=True)


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_free_days"), ("accounts", "0004_row_security")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunSQL(PURSES, NO_PURSES),
        rows_of_purse("ledger_account", "id"),
        rows_of_purse("ledger_lot"),
        rows_of_purse("ledger_transaction"),
        rows_of_purse("ledger_entry"),
        rows_of_purse("ledger_hold"),
        policies.rows_of_nobody("billing_proposal"),
        migrations.RunSQL(
            # A view would look with its owner's eyes.
            "ALTER VIEW ledger_allocation SET (security_invoker = true);"
            "ALTER VIEW ledger_violations SET (security_invoker = true)",
            "ALTER VIEW ledger_allocation RESET (security_invoker);"
            "ALTER VIEW ledger_violations RESET (security_invoker)",
        ),
        migrations.RunSQL(GUARD, NO_GUARD),
    ]
