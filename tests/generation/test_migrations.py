"""Migrations of a database that is in use."""

from __future__ import annotations

import pytest
from django.db import ProgrammingError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Clip
from tests.generation.test_pages import finished

BEFORE, DERIVED = ("generation", "0009_row_security"), ("generation", "0010_derived_columns")


def migrate(*, back: bool = False) -> None:
    """Apply that one migration, or take it back, which leaves the later ones as they are."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no table is altered while checks of its rows are pending
    executor = MigrationExecutor(connection)
    move = executor.unapply_migration if back else executor.apply_migration
    move(executor.loader.project_state(BEFORE), executor.loader.get_migration(*DERIVED))


def kept_keys() -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, poster_key FROM generation_clip")
        rows: list[tuple[str, ...]] = cursor.fetchall()
    return rows


def test_a_clip_of_before_is_found_where_it_lies(toy: Model, alice: Visitor) -> None:
    clip = finished(alice).clip
    migrate(back=True)
    assert kept_keys() == [(clip.key, clip.poster_key)]
    migrate()
    assert Clip.objects.get().key == f"clips/{clip.generation_id}/clip.mp4"


def test_a_clip_that_lies_elsewhere_is_not_lost_with_its_column(toy: Model, alice: Visitor) -> None:
    clip = finished(alice).clip
    migrate(back=True)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE generation_clip SET key = 'old/place.mp4'")
    with pytest.raises(ProgrammingError, match=f"clip {clip.generation_id} do not lie in"), transaction.atomic():
        migrate()
    assert kept_keys() == [("old/place.mp4", clip.poster_key)]
