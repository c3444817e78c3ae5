"""Puts the test database back to what the migrations left, after a test with real transactions.

Django's own way, ``flush``, truncates every table and then has each app make its permissions, content types and rows
anew: half a second of two processors for each such test. Most tables are empty before and hold a few rows after, so
deleting these, and putting back where something differs, takes a twentieth of that. It also leaves more as it was: ids,
and the tables of the ledger, which Django does not manage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction


@dataclass(frozen=True)
class DatabaseReset:
    """What every table held when this was taken."""

    brought: dict[str, str]
    """Table → its rows as JSON, of tables that were not empty."""
    empty: tuple[str, ...]

    @classmethod
    def taken_now(cls) -> DatabaseReset:
        ours = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
        rows = _rows_of(sorted(ours & set(connection.introspection.table_names())))
        return cls(
            {table: held for table, held in rows.items() if held}, tuple(t for t, held in rows.items() if not held)
        )

    def restore(self) -> None:
        """Delete and put back what differs, once whoever still writes has ended."""
        tables = [*map(_quoted, (*self.brought, *self.empty))]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL session_replication_role = replica"
            )  # in any order, and against the ledger's guards
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
            cursor.execute(";".join(f"DELETE FROM {_quoted(table)}" for table in self.empty))  # noqa: S608 - our own names
            now = _rows_of([*self.brought])
            for table in (table for table, held in self.brought.items() if now[table] != held):
                name = _quoted(table)
                cursor.execute(f"DELETE FROM {name}")  # noqa: S608
                put_back = (
                    "INSERT INTO {0} OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::{0}, %s)"
                )
                cursor.execute(put_back.format(name), [self.brought[table]])
        ContentType.objects.clear_cache()


def _rows_of(tables: Sequence[str]) -> dict[str, str]:
    """Table → its rows as JSON, in one order whatever was updated; empty where there are none."""
    asked = " UNION ALL ".join(
        f"SELECT '{table}', coalesce(json_agg(r ORDER BY r::text)::text, '') FROM {_quoted(table)} r"  # noqa: S608
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(asked)
        return dict(cursor.fetchall())


def _quoted(table: str) -> str:
    return connection.ops.quote_name(table)
