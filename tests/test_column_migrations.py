"""Processes of the release before go on for a while on a database of this one: their columns are there, and their rows
are taken.
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations import AddField, CreateModel, DeleteModel, Migration, RemoveField, RenameField, RenameModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import SeparateDatabaseAndState

from loremotion.staff_site import OUR_PACKAGES
from tests.test_index_migrations import flat, of, ours

BEFORE_THE_RULE = {
    ("accounts", "0002_bans"),
    ("accounts", "0003_private_clips"),
    ("accounts", "0007_invitation_letters"),
    ("catalog", "0003_placement_and_reference_speed"),
    ("catalog", "0004_components_and_similarity"),
    ("generation", "0005_repeats_and_deletion"),
    ("generation", "0006_private_clips"),
    ("outbox", "0004_letter_address"),
    ("shop", "0004_balance"),
}
"""Part of installations already. Nothing is added here."""

DROPPED_NEXT_RELEASE = {
    ("accounts_invitation", "is_told"),
    ("generation_clip", "key"),
    ("generation_clip", "poster_key"),
    ("generation_generation", "fair_start"),
    ("shop_plan", "concurrency"),
}
"""Columns that no model has any more. The next release drops them: ``RunSQL("ALTER TABLE … DROP COLUMN …")``."""


def breaks_the_release_before(migration: Migration) -> list[str]:
    """Steps after which a process of the release before cannot read a table, or write a row into it."""
    operations = list(flat(migration.operations))
    made = {operation.name.lower() for operation in operations if isinstance(operation, CreateModel)}
    return [
        f"{type(operation).__name__} {getattr(operation, 'model_name', operation.name)}"
        for operation in operations
        if getattr(operation, "model_name", "").lower() not in made and is_breaking(operation)
    ]


def is_breaking(operation: Any) -> bool:
    if isinstance(operation, AddField):
        field = operation.field
        return not (field.null or field.has_db_default() or field.many_to_many)
    return isinstance(operation, (RemoveField, RenameField, DeleteModel, RenameModel))


def test_no_new_migration_takes_a_column_from_the_release_before() -> None:
    breaking = {
        (migration.app_label, migration.name): breaks_the_release_before(migration)
        for migration in ours(MigrationLoader(None))
    }
    wrong = {key: found for key, found in breaking.items() if found and key not in BEFORE_THE_RULE}
    assert not wrong, f"CONTRIBUTING.md, «Add or remove a column», says how: {wrong}"


@pytest.mark.parametrize(
    "operation",
    [
        RemoveField("clip", "a"),
        RenameField("clip", "a", "b"),
        DeleteModel("clip"),
        AddField("clip", "a", models.IntegerField(default=0)),
        SeparateDatabaseAndState(database_operations=[RemoveField("clip", "a")]),
    ],
)
def test_a_step_that_the_release_before_does_not_survive_is_noticed(operation: Any) -> None:
    assert breaks_the_release_before(of(operation))


@pytest.mark.parametrize(
    "operation",
    [
        SeparateDatabaseAndState(state_operations=[RemoveField("clip", "a")]),
        AddField("clip", "a", models.IntegerField(null=True)),
        AddField("clip", "a", models.IntegerField(db_default=0)),
    ],
)
def test_one_that_it_does_survive_passes(operation: Any) -> None:
    assert not breaks_the_release_before(of(operation))


@pytest.mark.django_db
def test_the_database_has_no_column_that_neither_a_model_nor_the_release_before_knows() -> None:
    ours_alone = [model for model in apps.get_models() if model.__module__.split(".")[0] in OUR_PACKAGES]
    known = {(it._meta.db_table, field.column) for it in ours_alone for field in it._meta.local_concrete_fields}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_name = ANY(%s)",
            [[table for table, _ in known]],
        )
        assert set(cast(list[tuple[str, str]], cursor.fetchall())) - known == DROPPED_NEXT_RELEASE
