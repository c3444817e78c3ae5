"""Clips that are later than they were said to be: which, by how much and why, whatever waits beside them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.core.cache import cache
from django.utils import timezone

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, ToldRange
from generation.scheduling import dispatch, forecast_board, misses
from generation.scheduling.forecast import NEAR_CLIPS
from generation.scheduling.misses import Cause, Miss
from generation.scheduling.overdue import overdue_clips
from generation.settlement import forecasting, settle
from generation.staff import needs
from generation.tiers import FREE_BEGINS
from tests.accounts.factories import person
from tests.generation import factories
from tests.generation.test_places import crowd
from tests.generation.test_wait import machine


def told(clip: Generation, *, seconds: float, ago: timedelta) -> None:
    """Have it be said so long ago that the clip is ready within so many seconds."""
    ToldRange.objects.filter(clip_id=clip.id).update(said_at=timezone.now() - ago, high=seconds)


def test_what_is_later_than_was_said_is_told_with_by_how_much_and_why(
    toy: Model, alice: Visitor, valkey: redis.Redis, django_assert_num_queries: Any
) -> None:
    late, later, on_time = (factories.submitted(alice.workspace, seconds=1) for _ in range(3))
    machine(valkey)
    dispatch.fill_window()
    forecasting.put_up_forecast()
    assert overdue_clips() == {}
    told(late, seconds=600, ago=timedelta(minutes=30))
    told(later, seconds=60, ago=timedelta(hours=3))
    told(on_time, seconds=600, ago=timedelta(0))
    forecasting.put_up_forecast()
    with django_assert_num_queries(0):
        found = overdue_clips()
    assert list(found) == [later.id, late.id], "the latest first"
    assert {miss.cause for miss in found.values()} == {Cause.BUSY}
    assert found[late.id].told_seconds == 600
    assert found[late.id].late_seconds(time.time()) >= 1_200
    assert list(overdue_clips({late.id, on_time.id})) == [late.id]
    settle.cancel(later)
    forecasting.put_up_forecast()
    assert list(overdue_clips()) == [late.id], "what has ended is late no more"


def test_the_badge_of_the_clips_counts_what_the_first_page_says_is_far_beyond_its_forecast(
    toy: Model, alice: Visitor, valkey: redis.Redis
) -> None:
    cache.clear()
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    forecasting.put_up_forecast()
    told(clip, seconds=60, ago=timedelta(hours=3))
    forecasting.put_up_forecast()
    staff = person("staff@example.com", is_staff=True)
    assert [need.count for need in needs.of(staff) if need.one == "clip far beyond its forecast"] == [1]
    assert needs.by_page(staff)["/admin/generation/generation/"] == 1


def test_the_first_of_several_promises_says_by_how_much(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    forecasting.put_up_forecast()
    row = ToldRange.objects.get()
    told(clip, seconds=3_600, ago=timedelta(hours=2))
    row.pk, row.horizon, row.said_at, row.high = None, row.horizon + 1, timezone.now() - timedelta(hours=1), 600
    row.save()
    forecasting.put_up_forecast()
    assert overdue_clips()[clip.id].told_seconds == 3_600
    assert overdue_clips()[clip.id].late_seconds(time.time()) >= 3_600


def test_a_clip_that_others_have_pushed_far_back_stays_overdue(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    Generation.objects.filter(id=clip.id).update(fair_finish=FREE_BEGINS + 100)
    machine(valkey)
    forecasting.put_up_forecast()
    told(clip, seconds=60, ago=timedelta(hours=1))
    crowd(clip, NEAR_CLIPS + 20, created_at=timezone.now())
    forecasting.put_up_forecast()
    assert str(clip.id) not in forecast_board.of_clips([str(clip.id)])
    assert overdue_clips()[clip.id].cause == Cause.OVERTAKEN


@pytest.mark.parametrize(
    ("told_seconds", "late_seconds", "is_far"),
    [(20, 30, False), (20, 120, True), (1_200, 900, False), (1_200, 1_200, True)],
)
def test_far_is_as_late_again_as_it_was_to_take(told_seconds: float, late_seconds: float, *, is_far: bool) -> None:
    assert Miss(Cause.BUSY, due_at=1_000.0, told_seconds=told_seconds).is_far(1_000.0 + late_seconds) == is_far


@pytest.mark.parametrize(
    ("late_seconds", "by"), [(0, ""), (59, ""), (60, "1 min "), (7_199, "119 min "), (7_200, "2 h ")]
)
def test_people_read_by_how_much_it_is_late(late_seconds: float, by: str) -> None:
    said = Miss(Cause.SLOW, due_at=0.0, told_seconds=60.0).in_words(late_seconds)
    assert said == f"Sorry, this is taking {by}longer than we said. {misses.SENTENCES[Cause.SLOW]}"
