"""How long a clip takes is learned from what was made of the same build, whatever it cost then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Visitor
from catalog import versions
from catalog.models import Model, ModelVersion
from generation.models import Generation, State
from generation.scheduling import wait
from tests.generation import factories


def edited(model: Model, **changes: Any) -> ModelVersion:
    model.refresh_from_db()
    assert model.current is not None
    return versions.write(versions.draft(model, versions.state(model.current) | changes), by=None)


def made(version: ModelVersion, visitor: Visitor, seconds: float, count: int = 1) -> None:
    """``count`` clips that took ``seconds`` each."""
    now = timezone.now()
    for _ in range(count):
        generation = factories.submitted(visitor.workspace)
        Generation.objects.filter(id=generation.id).update(
            version=version, state=State.SUCCEEDED, started_at=now - timedelta(seconds=seconds), finished_at=now
        )


def test_nobody_knows_before_the_first(toy: Model) -> None:
    assert toy.current is not None
    assert wait.service_seconds(toy.current) == wait.UNKNOWN_SECONDS


def test_a_price_edit_forgets_nothing(toy: Model, alice: Visitor) -> None:
    assert toy.current is not None
    made(toy.current, alice, 30.0, count=3)
    dearer = edited(toy, prices={"standard": {"360p": 6_000}})
    assert wait.service_seconds(dearer) == (30.0, 30.0)


def test_many_price_edits_forget_nothing_of_the_latest(toy: Model, alice: Visitor) -> None:
    version = toy.current
    for price in range(6_000, 6_005):
        version = edited(toy, prices={"standard": {"360p": price}})
        made(version, alice, 20.0)
    assert version is not None
    assert wait.service_seconds(version) == (20.0, 20.0)


def test_another_build_is_another_matter(toy: Model, alice: Visitor) -> None:
    assert toy.current is not None
    made(toy.current, alice, 30.0)
    assert wait.service_seconds(edited(toy, quantisation="int8")) == wait.UNKNOWN_SECONDS


def test_it_costs_the_same_whatever_was_made_before(toy: Model, alice: Visitor, django_assert_num_queries: Any) -> None:
    version = edited(toy, prices={"standard": {"360p": 7_000}})
    for _ in range(2):
        with django_assert_num_queries(1):
            wait.service_seconds(version)
        made(version, alice, 10.0, count=2)
