"""The ledger installs and uninstalls without a trace, and its functions can be installed again over themselves."""

from __future__ import annotations

from importlib import import_module

import psycopg

from tests.billing.scratch import KERNEL, Scratch, scratch_database

first = import_module("billing.migrations.0001_ledger")


def leftovers(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    return connection.execute(
        """
        SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace
        """
    ).fetchall()


def test_it_leaves_nothing_behind_and_can_come_back(server_url: str) -> None:
    with scratch_database(server_url) as scratch, scratch.connect() as connection:
        assert leftovers(connection)
        connection.execute(first.DROP_ALL)
        assert leftovers(connection) == []
        scratch.install()


def test_functions_and_view_can_be_installed_over_themselves(scratch: Scratch) -> None:
    grant = "SELECT ledger_grant(gen_random_uuid(), %s, 5, 'pack', 50::smallint, NULL, '', '')"
    with scratch.connect() as connection:
        connection.execute(grant, ["in_1"])
        for path in KERNEL:
            if path.name != "ledger_tables.sql":
                connection.execute(path.read_bytes())
        connection.execute(grant, ["in_2"])
        assert connection.execute("SELECT reference, issued FROM ledger_lot").fetchall() == [("in_1", 5), ("in_2", 5)]
    assert scratch.violations() == []
