"""A range moves from one round to the next by no more than it may."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from generation.scheduling.calibration import Range
from generation.scheduling.forecast import Expected
from generation.scheduling.smoothing import Told, room, towards

NEVER = Range(0.0, 0.0, 0.0)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    return Range(*sorted(draw(st.lists(st.floats(0, 1e5), min_size=3, max_size=3))))


@given(ranges(), ranges(), st.floats(0, 1e4))
def test_no_end_moves_further_than_it_may(before: Range, now: Range, passed: float) -> None:
    told = towards(before, now, passed)
    assert told.low <= told.mid <= told.high
    for was, end in zip(before.ends, told.ends, strict=True):
        left = max(0.0, was - passed)
        assert abs(end - left) <= room(left) * (1 + 1e-9)


@given(ranges(), ranges())
def test_what_stays_so_is_reached(before: Range, now: Range) -> None:
    told = before
    for _ in range(100):
        told = towards(told, now)
    assert told == now


@given(ranges())
def test_who_is_told_the_same_hears_it_come_nearer(said: Range) -> None:
    later = Range(*(max(0.0, end - 5.0) for end in said.ends))
    assert towards(said, later, 5.0) == later


def test_a_clip_hears_of_a_jump_bit_by_bit_and_of_its_start_at_once() -> None:
    told = Told()
    first = Expected(Range(50.0, 60.0, 80.0), Range(60.0, 70.0, 100.0))
    assert told.smooth({"a": first}, at=0.0) == {"a": first}
    far = Expected(Range(500.0, 600.0, 800.0), Range(600.0, 700.0, 1000.0))
    second = told.smooth({"a": far}, at=0.0)["a"]
    assert second.ready.high == 125.0
    started = told.smooth({"a": Expected(NEVER, first.ready)}, at=0.0)["a"]
    assert started.start == NEVER
    told.smooth({}, at=0.0)
    assert told.smooth({"a": far}, at=0.0) == {"a": far}  # begins anew
