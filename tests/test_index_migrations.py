"""An index on a table that holds rows is built CONCURRENTLY: otherwise nobody writes into it until it is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, models
from django.db.migrations import AddConstraint, AddField, AddIndex, CreateModel, Migration, RunSQL
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import SeparateDatabaseAndState

from loremotion.staff_site import OUR_PACKAGES

BEFORE_THE_RULE = {
    ("accounts", "0002_bans"),
    ("accounts", "0003_private_clips"),
    ("accounts", "0005_audit_networks"),
    ("accounts", "0007_invitation_letters"),
    ("billing", "0001_ledger"),
    ("billing", "0003_writeoff"),
    ("generation", "0002_maker"),
    ("generation", "0003_clip_expires_at"),
    ("generation", "0004_open_index"),
    ("generation", "0006_private_clips"),
    ("outbox", "0004_letter_address"),
}
"""Part of installations already. Nothing is added here: use ``AddIndexConcurrently``, with ``atomic = False``."""

CREATES_INDEX = re.compile(r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)", re.IGNORECASE)


def flat(operations: Iterable[Any]) -> Iterator[Any]:
    """What is done to the database."""
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from flat(operation.database_operations)
        else:
            yield operation


def statements(operation: RunSQL) -> str:
    parts = [operation.sql] if isinstance(operation.sql, str) else operation.sql
    return "\n".join(part if isinstance(part, str) else part[0] for part in parts)


def blocking_indexes(migration: Migration) -> list[str]:
    """Indexes that this migration builds while it keeps writers out. A table that it makes itself is empty."""
    operations = list(flat(migration.operations))
    made = {operation.name.lower() for operation in operations if isinstance(operation, CreateModel)}
    found = []
    for operation in operations:
        if isinstance(operation, RunSQL):
            found += [f"RunSQL {match[0]}" for match in CREATES_INDEX.finditer(statements(operation))]
        elif getattr(operation, "model_name", "").lower() not in made and builds_index(operation):
            found.append(f"{type(operation).__name__} on {operation.model_name}")
    return found


def of(operation: Any) -> Migration:
    """A migration of nothing else."""
    one = type("Migration", (Migration,), {"operations": [operation]})
    return cast(Migration, one("0002_x", "generation"))


def builds_index(operation: Any) -> bool:
    if isinstance(operation, AddIndex):
        return not isinstance(operation, AddIndexConcurrently)
    if isinstance(operation, AddConstraint):
        return isinstance(operation.constraint, models.UniqueConstraint)
    if not isinstance(operation, AddField):
        return False
    return bool(getattr(operation.field, "db_index", False) or operation.field.unique)


def ours() -> list[Migration]:
    migrations = MigrationLoader(None).disk_migrations.values()
    return [migration for migration in migrations if migration.__module__.split(".")[0] in OUR_PACKAGES]


def test_no_new_migration_builds_an_index_while_writers_wait() -> None:
    blocking = {(migration.app_label, migration.name): blocking_indexes(migration) for migration in ours()}
    wrong = {key: found for key, found in blocking.items() if found and key not in BEFORE_THE_RULE}
    assert not wrong, f"Use AddIndexConcurrently in a migration of its own, with atomic = False: {wrong}"


def test_what_was_before_the_rule_is_still_there() -> None:
    blocking = {(migration.app_label, migration.name) for migration in ours() if blocking_indexes(migration)}
    assert blocking >= BEFORE_THE_RULE


@pytest.mark.parametrize(
    "operation",
    [
        AddIndex("clip", models.Index(fields=["a"], name="x")),
        AddConstraint("clip", models.UniqueConstraint(fields=["a"], name="x")),
        AddField("clip", "a", models.IntegerField(null=True, db_index=True)),
        AddField("clip", "a", models.IntegerField(null=True, unique=True)),
        RunSQL("create unique index x ON clip (a)"),
        RunSQL([("SELECT 1", None), ("CREATE INDEX x ON clip (a)", None)]),
        SeparateDatabaseAndState(database_operations=[AddIndex("clip", models.Index(fields=["a"], name="x"))]),
    ],
)
def test_an_index_that_keeps_writers_out_is_noticed(operation: Any) -> None:
    assert blocking_indexes(of(operation))


@pytest.mark.parametrize(
    "operation",
    [
        AddIndexConcurrently("clip", models.Index(fields=["a"], name="x")),
        RunSQL("CREATE INDEX CONCURRENTLY x ON clip (a)"),
        AddField("clip", "a", models.IntegerField(null=True)),
    ],
)
def test_one_that_keeps_nobody_out_passes(operation: Any) -> None:
    assert not blocking_indexes(of(operation))


@pytest.mark.django_db
def test_no_index_is_left_half_built() -> None:
    """One that failed to be built concurrently stays, takes time at each write, and serves nobody."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        assert cursor.fetchall() == []
