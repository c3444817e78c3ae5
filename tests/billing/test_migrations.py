"""The ledger installs and uninstalls without a trace, and its functions can be installed again over themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib import import_module
from uuid import uuid4

import psycopg

from billing import sql
from tests.billing.ledger_database import LedgerDatabase, scratch_database
from tests.patience import PATIENCE_SECONDS, wait_until

first = import_module("billing.migrations.0001_ledger")
third = import_module("billing.migrations.0003_writeoff")
eleventh = import_module("billing.migrations.0011_fewer_statements")

# The tables as they were before anything could be written off, when each rule was a CHECK.
AS_IT_WAS = """
ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_is_sound, ADD CHECK (available >= 0);
ALTER TABLE ledger_lot DROP CONSTRAINT ledger_lot_is_sound, ADD CHECK (remaining >= 0);
ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_transaction_is_sound;
ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_is_sound, ADD CHECK (amount <> 0),
    ADD FOREIGN KEY (account_id, seq) REFERENCES ledger_transaction (account_id, seq);
ALTER TABLE ledger_hold DROP CONSTRAINT ledger_hold_is_sound, ADD CHECK (amount > 0),
    ADD FOREIGN KEY (account_id) REFERENCES ledger_account;
DROP FUNCTION ledger_is_sound(ledger_account), ledger_is_sound(ledger_lot), ledger_is_sound(ledger_transaction),
    ledger_is_sound(ledger_entry), ledger_is_sound(ledger_hold);
DROP TRIGGER ledger_keeps_what_was_held ON ledger_hold;
DROP VIEW ledger_violations;
DROP FUNCTION ledger_owed, ledger_write_off;
DROP INDEX ledger_lot_owing, ledger_account_merged;
CREATE OR REPLACE TRIGGER ledger_begins_empty BEFORE INSERT ON ledger_lot FOR EACH ROW
    WHEN (NEW.issued <> 0) EXECUTE FUNCTION ledger_refuse();
ALTER TABLE ledger_lot DROP COLUMN forgiven;
ALTER TABLE ledger_lot ADD CONSTRAINT ledger_lot_is_accounted_for
    CHECK (remaining + held + consumed + expired + clawed + adjusted + moved + repaid = issued);
ALTER TABLE ledger_transaction ADD CONSTRAINT
    ledger_transaction_kind_check CHECK (kind IN ('grant', 'hold', 'settle'));
ALTER TABLE ledger_entry ADD CONSTRAINT
    ledger_entry_code_check CHECK (code IN ('issued', 'available', 'held', 'consumed'));
"""


def leftovers(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    return connection.execute(
        """
        SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
        """
    ).fetchall()


def test_it_leaves_nothing_behind_and_can_come_back(server_url: str) -> None:
    with scratch_database(server_url) as ledger_db, ledger_db.connect() as connection:
        assert leftovers(connection)
        connection.execute(first.DROP_ALL)
        assert leftovers(connection) == []
        ledger_db.install()


def test_functions_and_view_can_be_installed_over_themselves(ledger_db: LedgerDatabase) -> None:
    grant = "SELECT ledger_grant(gen_random_uuid(), %s, 5, 'pack', 50::smallint, NULL, '', '')"
    with ledger_db.connect() as connection:
        connection.execute(grant, ["in_1"])
        for part in sql.KERNEL[1:]:
            connection.execute(part.encode())
        connection.execute(grant, ["in_2"])
        assert connection.execute("SELECT reference, issued FROM ledger_lot").fetchall() == [("in_1", 5), ("in_2", 5)]
    assert ledger_db.violations() == []


def shape(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    """Columns, checks, keys, indexes and triggers of the ledger's tables, as the database itself writes them."""
    return connection.execute(
        """
        SELECT attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
            WHERE attrelid::regclass::text LIKE 'ledger%' AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT tablename::text, indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid) FROM pg_trigger
            WHERE NOT tgisinternal
        ORDER BY 1, 2, 3
        """
    ).fetchall()


def test_an_older_database_and_a_new_one_end_alike_with_credits_in_them(server_url: str) -> None:
    with scratch_database(server_url) as ledger_db, ledger_db.connect() as connection:
        new = shape(connection)
        connection.execute("SELECT ledger_grant(gen_random_uuid(), 'in_1', 5, 'pack', 50::smallint, NULL, '', '')")
        for begin in ("", AS_IT_WAS):  # the migrations run on either
            connection.execute(begin or "SELECT 1")
            assert (shape(connection) == new) is not bool(begin)
            connection.execute(third.WIDEN)
            connection.execute(eleventh.CLEAR_AWAY)
            for part in sql.KERNEL[1:]:
                connection.execute(part.encode())
            assert shape(connection) == new
        connection.execute("SELECT ledger_clawback('in_1', 5, '', '')")
        assert ledger_db.violations() == []


def test_holds_wait_for_it_and_it_for_them(server_url: str) -> None:
    hold = "SELECT ledger_hold(%s, gen_random_uuid(), 5, now() + interval '1 day', '{}')"
    one, other = uuid4(), uuid4()
    with scratch_database(server_url) as ledger_db, ExitStack() as stack:
        migration, open_hold, late_hold, eye = (stack.enter_context(ledger_db.connect()) for _ in range(4))
        for account in (one, other):
            migration.execute(
                "SELECT ledger_grant(%s, %s, 50, 'pack', 50::smallint, NULL, '', '')", [account, f"order:{account}"]
            )
        for connection in (open_hold, late_hold):
            connection.execute(hold, [other])  # the functions are planned
        threads = stack.enter_context(ThreadPoolExecutor(2))

        def migrate() -> None:
            with migration.transaction():
                for script in (eleventh.CLEAR_AWAY, *sql.KERNEL[1:]):
                    migration.execute(script.encode())

        with open_hold.transaction():
            open_hold.execute(hold, [one])
            migrating = threads.submit(migrate)
            await_lock(eye, migration)
            holding = threads.submit(late_hold.execute, hold, [other])
            await_lock(eye, late_hold)
        migrating.result(PATIENCE_SECONDS)
        holding.result(PATIENCE_SECONDS)
        assert eye.execute("SELECT count(*) FROM ledger_hold").fetchone() == (4,)


def await_lock(eye: psycopg.Connection, who: psycopg.Connection) -> None:
    """Until that connection is seen to wait for another."""
    blocked = "SELECT pg_blocking_pids(%s) <> '{}'"
    wait_until(lambda: eye.execute(blocked, [who.info.backend_pid]).fetchone() == (True,), what=lambda: "a wait")
