"""Who has to leave: a pure function, so its rules are tested as properties."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.engine.memory.planning import POLICIES, Resident, RoomMissing, gdsf, lru, plan


def resident(key: str, size_bytes: int = 10, last_used: int = 0, **changes: Any) -> Resident:
    return Resident(key=key, size_bytes=size_bytes, last_used=last_used, **changes)


@st.composite
def residents(draw: st.DrawFn) -> list[Resident]:
    sizes = draw(st.lists(st.integers(0, 50), max_size=12))
    ticks = draw(st.permutations(range(len(sizes))))
    return [
        resident(
            f"c{i}",
            size,
            tick,
            uses=draw(st.integers(1, 9)),
            load_seconds=draw(st.floats(0, 10)),
            is_leased=draw(st.booleans()),
        )
        for i, (size, tick) in enumerate(zip(sizes, ticks, strict=True))
    ]


keys = st.sets(st.sampled_from([f"c{i}" for i in range(12)]), max_size=4)


def test_the_least_recently_used_leaves_first() -> None:
    here = [resident("old", last_used=1), resident("new", last_used=3), resident("middle", last_used=2)]
    assert plan(here, free_bytes=0, needed_bytes=20) == ["old", "middle"]


def test_nobody_leaves_when_there_is_room() -> None:
    assert plan([resident("a")], free_bytes=5, needed_bytes=5) == []


def test_what_the_next_jobs_need_leaves_last_and_the_furthest_of_them_first() -> None:
    here = [resident("next", last_used=1), resident("cold", last_used=3), resident("later", last_used=2)]
    upcoming = [{"next"}, {"later"}]
    assert plan(here, free_bytes=0, needed_bytes=10, upcoming=upcoming) == ["cold"]
    assert plan(here, free_bytes=0, needed_bytes=20, upcoming=upcoming) == ["cold", "later"]


def test_what_is_needed_soon_is_spared_when_a_larger_one_has_to_leave_anyway() -> None:
    here = [resident("small", 2, last_used=1), resident("large", 20, last_used=2)]
    assert plan(here, free_bytes=0, needed_bytes=10) == ["small", "large"]
    assert plan(here, free_bytes=0, needed_bytes=10, upcoming=[{"large"}, {"small"}]) == ["large"]


def test_gdsf_keeps_what_is_dear_for_its_size() -> None:
    here = [
        resident("large", 100, last_used=3, uses=2, load_seconds=1.0),
        resident("dear", 100, last_used=1, uses=2, load_seconds=9.0),
    ]
    assert plan(here, free_bytes=0, needed_bytes=50, policy=gdsf) == ["large"]
    assert plan(here, free_bytes=0, needed_bytes=50, policy=lru) == ["dear"]


def test_with_age_even_the_dear_leaves() -> None:
    dear = resident("dear", 1, last_used=1, uses=9, load_seconds=1.0, age_floor=0.0)
    fresh = resident("fresh", 1, last_used=2, uses=1, load_seconds=0.1, age_floor=20.0)
    assert plan([dear, fresh], free_bytes=0, needed_bytes=1, policy=gdsf) == ["dear"]


policies = st.sampled_from(sorted(POLICIES))


@given(residents(), st.integers(0, 60), st.integers(0, 300), st.lists(keys, max_size=3), policies)
def test_a_plan_makes_enough_room_and_not_more(
    here: list[Resident], free: int, needed: int, upcoming: list[set[str]], policy: str
) -> None:
    sizes = {r.key: r.size_bytes for r in here}
    short_bytes = needed - free - sum(r.size_bytes for r in here if not r.is_leased)

    def plan_for(here: list[Resident]) -> list[str]:
        return plan(here, free_bytes=free, needed_bytes=needed, upcoming=upcoming, policy=POLICIES[policy])

    if short_bytes > 0:
        with pytest.raises(RoomMissing) as missing:
            plan_for(here)
        assert missing.value.short_bytes == short_bytes
        return
    evictions = plan_for(here)
    assert free + sum(sizes[key] for key in evictions) >= needed
    assert free + sum(sizes[key] for key in evictions[:-1]) < needed or not evictions
    room = free + sum(sizes[key] for key in evictions)
    assert all(room - sizes[key] < needed for key in evictions if any(key in keys for keys in upcoming))
    assert not set(evictions) & {r.key for r in here if r.is_leased}
    assert len(set(evictions)) == len(evictions)
    assert evictions == plan_for(list(reversed(here)))


@given(residents(), st.integers(1, 300))
def test_without_a_queue_the_order_is_exactly_lru(here: list[Resident], needed: int) -> None:
    free = needed - sum(r.size_bytes for r in here if not r.is_leased)
    evictions = plan(here, free_bytes=free, needed_bytes=needed)
    ticks = {r.key: r.last_used for r in here}
    assert [ticks[key] for key in evictions] == sorted(ticks[key] for key in evictions)
    stayed = [r for r in here if not r.is_leased and r.key not in evictions]
    assert all(r.size_bytes == 0 for r in stayed)


def test_what_cannot_fit_says_how_much_is_missing() -> None:
    with pytest.raises(RoomMissing) as missing:
        plan([resident("a", 10), resident("b", 10, is_leased=True)], free_bytes=5, needed_bytes=40)
    assert missing.value.short_bytes == 25
