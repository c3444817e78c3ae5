"""A place is exact among the first few dozen, and deeper it says that it is not."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Visitor
from catalog.models import Model
from generation.live import polling
from generation.models import Generation, State
from generation.scheduling import capacity, dispatch, places, queue_depth, wait
from generation.scheduling.fair_order import Key, first_by_size, first_that_fit
from generation.scheduling.places import EXACT, Place, Precision
from generation.scheduling.queue_depth import STRETCH, Depth, Stretch
from tests.generation import factories

LARGE = 2**50


def crowd(like: Generation, count: int, **changes: Any) -> list[Generation]:
    """``count`` clips that wait before ``like``, at even tags."""
    rows = []
    for number in range(count):
        row = Generation.objects.get(id=like.id)
        row.id, row.fair_finish = uuid.uuid4(), 1 + number / count
        for name, value in changes.items():
            setattr(row, name, value)
        rows.append(row)
    return Generation.objects.bulk_create(rows)


@pytest.fixture
def mine(toy: Model, alice: Visitor) -> Generation:
    clip = factories.submitted(alice.workspace)
    Generation.objects.update(state="queued", attempt=0, fair_finish=100.0)
    clip.refresh_from_db()
    return clip


def test_the_last_place_that_is_exact(mine: Generation) -> None:
    crowd(mine, EXACT - 1)
    assert places.place_of(mine, LARGE) == Place(EXACT - 1)


def test_deeper_it_is_so_many_at_least_until_the_beat_has_counted(mine: Generation) -> None:
    crowd(mine, 100)
    assert places.place_of(mine, LARGE) == Place(EXACT, Precision.AT_LEAST)
    assert wait.wait_of(mine).reason.startswith("We're offline")
    queue_depth.walk()
    place = places.place_of(mine, LARGE)
    assert place.precision == Precision.ABOUT
    assert 95 <= place.number <= 101


def test_words_say_how_sure_a_place_is() -> None:
    assert Place(1).clips_ahead == "1 clip"
    assert Place(0).clips_ahead == "0 clips"
    assert Place(64, Precision.AT_LEAST).clips_ahead == "more than 64 clips"
    assert Place(4_267, Precision.ABOUT).clips_ahead == "about 4,200 clips"


def test_what_fits_no_machine_is_not_counted_deep_in_the_queue(mine: Generation) -> None:
    crowd(mine, 100, needs_bytes=200 * 2**30)
    crowd(mine, 100, needs_bytes=1)
    queue_depth.walk()
    place = places.place_of(mine, 2 * 2**30)
    assert place.precision == Precision.ABOUT
    assert 95 <= place.number <= 101


def test_the_beat_counts_a_long_queue_a_part_at_a_time(mine: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_depth, "STRETCH", 80)
    crowd(mine, 200)
    for _ in range(2):
        queue_depth.walk()
    assert places.place_of(mine, LARGE).precision == Precision.AT_LEAST
    queue_depth.walk()
    assert abs(places.place_of(mine, LARGE).number - 200) <= 10


def test_deep_places_are_about_right_where_many_have_one_tag(mine: Generation) -> None:
    """While a queue grows the clock stands still, and whoever asks for the same price gets the same tag."""
    tags = [1.0] * 60 + [2.0] * 140 + [3.0] * 120 + [40.0] * 20
    rows = crowd(mine, len(tags))
    for number, (row, tag) in enumerate(zip(rows, tags, strict=True)):
        row.fair_finish, row.created_at = tag, mine.created_at + timedelta(seconds=number)
    Generation.objects.bulk_update(rows, ["fair_finish", "created_at"])
    queue_depth.walk()
    told = {rank: places.place_of(rows[rank], LARGE) for rank in range(EXACT + 12, len(rows), 20)}
    assert {place.precision for place in told.values()} == {Precision.ABOUT}
    assert max(abs(place.number - rank) for rank, place in told.items()) <= len(rows) // 4, "a part"


def test_what_lies_in_valkey_may_be_anything(mine: Generation, valkey: redis.Redis) -> None:
    crowd(mine, EXACT + 6)
    for odd in (b"[]", b"{}", b"no json", b'[["x", 1, 2, 3]]', b"[[1.0]]", b"7"):
        valkey.set(queue_depth.ENTRY, odd)
        assert places.place_of(mine, LARGE) == Place(EXACT, Precision.AT_LEAST)


def test_a_look_for_many_is_one_look(mine: Generation, django_assert_num_queries: Any) -> None:
    many = [clip.id for clip in crowd(mine, 40)]
    for ids in (many[:1], many):
        with django_assert_num_queries(2):  # the clips, the queue
            polling.snapshots_of(ids, set(ids))


@pytest.mark.parametrize("search", [first_that_fit, first_by_size])
def test_postgresql_knows_how_few_a_look_reads(search: Callable[..., tuple[str, list[float]]]) -> None:
    """It takes a LIMIT that is a parameter for a tenth of the queue, and plans each look at a long one anew."""
    assert "LIMIT %s" not in search("id", most=10, up_to_bytes=LARGE)[0]


KEYS = st.lists(st.integers(0, 10_000), min_size=1, max_size=120, unique=True)


def key(tag: int) -> Key:
    return Key(float(tag), datetime(2026, 1, 1, tzinfo=UTC), uuid.UUID(int=0))


@given(KEYS, KEYS)
def test_after_a_walk_through_it_the_depth_is_that_of_the_queue(before: list[int], now: list[int]) -> None:
    """Whatever was counted before, and however the queue has changed since."""
    depth = walk(walk(Depth([]), before), now)
    ends = [stretch.end for stretch in depth.stretches]
    assert ends == sorted(set(ends))
    for end in ends:
        assert depth.before(end) in range(sum(key(tag) <= end for tag in now) - 3, len(now) + 1)
    assert sum(stretch.fitting for stretch in depth.stretches) == len(now)


def walk(depth: Depth, queue: list[int]) -> Depth:
    """Rounds until the end, three clips a stretch and two stretches a round."""
    while True:
        left = sorted(tag for tag in queue if key(tag) > depth.walked_to)[:6]
        parts = [left[:3], left[3:]]
        counted = [Stretch(float(part[0]), key(part[-1]), len(part)) for part in parts if part]
        is_the_end = len(left) < 6
        depth = depth.walked(counted, is_the_end=is_the_end)
        if is_the_end:
            return depth


def test_a_round_of_the_beat_reads_a_bounded_part_of_the_queue() -> None:
    assert STRETCH <= 2_500


def test_a_look_walks_sizes_only_where_few_of_the_first_fit(mine: Generation) -> None:
    """However many sizes there are: a long queue has more of them than a short one."""
    for number in range(6):
        crowd(mine, 5, needs_bytes=number)
    assert not walks_sizes(up_to_bytes=5)
    assert walks_sizes(up_to_bytes=0)


def walks_sizes(*, up_to_bytes: int) -> bool:
    sql, values = first_that_fit("id", most=10, up_to_bytes=up_to_bytes)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
        (((plan,),),) = (cursor.fetchall(),)
    return any(node.get("Subplan Name") == "CTE size" and node["Actual Loops"] for node in nodes(plan[0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


@pytest.mark.parametrize("up_to_bytes", [0, 2, 5])
def test_the_first_that_fit_are_those_of_each_size(mine: Generation, up_to_bytes: int) -> None:
    for number in range(6):
        crowd(mine, 7, needs_bytes=number)
    found = []
    for search in (first_that_fit, first_by_size):
        sql, values = search("id, state, fair_finish, created_at", most=10, up_to_bytes=up_to_bytes)
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            found.append(cursor.fetchall())
    assert found[0] == found[1] != []


def test_what_a_dispatch_saw_is_told_and_what_it_changed_is_looked_at_anew(mine: Generation) -> None:
    crowd(mine, 20)
    largest_bytes = capacity.budgets()[-1]
    with places.looked_once():
        dispatch.fill_window()
        dispatched = Generation.objects.filter(state=State.DISPATCHED).count()
        assert 0 < dispatched < 20
        assert places.look(largest_bytes) is not places.look(largest_bytes)
        dispatch.fill_window()  # there is no place left, so it changes nothing
        seen = places.look(largest_bytes)
        assert places.look(largest_bytes) is seen
        assert seen.place_of(mine) == Place(20)
        assert len(seen.waiting_before(mine)) == 20 - dispatched
    assert places.look(largest_bytes) is not seen
