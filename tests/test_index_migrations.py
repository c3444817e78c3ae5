"""An index on a table that holds rows is built CONCURRENTLY: otherwise nobody writes into it until it is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, models
from django.db.migrations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterField,
    AlterIndexTogether,
    AlterUniqueTogether,
    CreateModel,
    Migration,
    RunSQL,
)
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

BUILDS_INDEX = re.compile(
    r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)"
    r"|\bADD\s+(CONSTRAINT\s+\S+\s+)?(UNIQUE|PRIMARY\s+KEY|EXCLUDE)\b(?!\s+USING\s+INDEX\b)",
    re.IGNORECASE,
)


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


def blocking_indexes(migration: Migration, loader: MigrationLoader | None = None) -> list[str]:
    """Indexes that this migration builds while it keeps writers out. A table that it makes itself is empty.

    ``loader`` knows which fields had their index before; without it none had.
    """
    operations = list(flat(migration.operations))
    made = {operation.name.lower() for operation in operations if isinstance(operation, CreateModel)}
    found = []
    for operation in operations:
        if isinstance(operation, RunSQL):
            found += [f"RunSQL {match[0]}" for match in BUILDS_INDEX.finditer(statements(operation))]
        elif (
            builds_index(operation) and table_of(operation) not in made and not had_index(migration, operation, loader)
        ):
            found.append(f"{type(operation).__name__} on {table_of(operation)}")
    return found


def table_of(operation: Any) -> str:
    return str(getattr(operation, "model_name", None) or operation.name).lower()


def had_index(migration: Migration, operation: Any, loader: MigrationLoader | None) -> bool:
    """Whether a field that is altered had its index before the migration: then no other is built."""
    if loader is None or not isinstance(operation, AlterField):
        return False
    state = loader.project_state((migration.app_label, migration.name), at_end=False)
    before = state.models[migration.app_label, operation.model_name_lower].fields.get(operation.name)
    if before is None:  # the migration adds it itself
        return False
    return is_indexed(before) and bool(before.unique) == bool(operation.field.unique)


def is_indexed(field: Any) -> bool:
    return bool(getattr(field, "db_index", False) or field.unique)


def of(operation: Any) -> Migration:
    """A migration of nothing else."""
    one = type("Migration", (Migration,), {"operations": [operation]})
    return cast(Migration, one("0002_x", "generation"))


def builds_index(operation: Any) -> bool:
    if isinstance(operation, AddIndex):
        return not isinstance(operation, AddIndexConcurrently)
    if isinstance(operation, AddConstraint):
        return isinstance(operation.constraint, (models.UniqueConstraint, ExclusionConstraint))
    if isinstance(operation, (AlterUniqueTogether, AlterIndexTogether)):
        return bool(operation.option_value)
    return isinstance(operation, (AddField, AlterField)) and is_indexed(operation.field)


def ours(loader: MigrationLoader) -> list[Migration]:
    """The migrations of our own packages."""
    return [each for each in loader.disk_migrations.values() if each.__module__.split(".")[0] in OUR_PACKAGES]


def blocking_migrations() -> dict[tuple[str, str], list[str]]:
    """Of our own, those that build an index while writers wait, and what builds it."""
    loader = MigrationLoader(None)
    found = {(each.app_label, each.name): blocking_indexes(each, loader) for each in ours(loader)}
    return {key: what for key, what in found.items() if what}


def test_no_new_migration_builds_an_index_while_writers_wait() -> None:
    wrong = {key: found for key, found in blocking_migrations().items() if key not in BEFORE_THE_RULE}
    assert not wrong, f"Use AddIndexConcurrently in a migration of its own, with atomic = False: {wrong}"


def test_what_was_before_the_rule_is_still_there() -> None:
    assert blocking_migrations().keys() >= BEFORE_THE_RULE


@pytest.mark.parametrize(
    "operation",
    [
        AddIndex("clip", models.Index(fields=["a"], name="x")),
        AddConstraint("clip", models.UniqueConstraint(fields=["a"], name="x")),
        AddField("clip", "a", models.IntegerField(null=True, db_index=True)),
        AddField("clip", "a", models.IntegerField(null=True, unique=True)),
        AddConstraint("clip", ExclusionConstraint(name="x", expressions=[("a", RangeOperators.EQUAL)])),
        AlterField("clip", "a", models.IntegerField(db_index=True)),
        AlterField("clip", "a", models.IntegerField(unique=True)),
        AlterField("clip", "a", models.SlugField()),
        AlterField("clip", "a", models.ForeignKey("accounts.Workspace", models.CASCADE)),
        AlterUniqueTogether("clip", {("a", "b")}),
        AlterIndexTogether("clip", {("a", "b")}),
        RunSQL("create unique index x ON clip (a)"),
        RunSQL("ALTER TABLE clip ADD CONSTRAINT x UNIQUE (a)"),
        RunSQL("ALTER TABLE clip ADD PRIMARY KEY (a)"),
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
        RunSQL("ALTER TABLE clip ADD CONSTRAINT x UNIQUE USING INDEX x"),
        AddField("clip", "a", models.IntegerField(null=True)),
        AlterField("clip", "a", models.IntegerField(default=1)),
        AlterUniqueTogether("clip", set()),
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
