"""Who will come is learned from who came, and that some ask for many clips at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.scheduling import arrivals
from generation.scheduling.arrivals import KEPT, LEAST
from generation.scheduling.forecast import forecast
from generation.scheduling.service_times import Spread
from generation.scheduling.snapshot import Arrivals, Clip, Component, Kind, Machine, Snapshot

KIND = Kind("red", 0.0, Spread(10.0, 0.0))


def came_at(*times: float) -> list[tuple[float, Kind]]:
    return [(at, KIND) for at in times]


def test_few_tell_nothing() -> None:
    assert arrivals.learn(came_at(*range(LEAST)), 100.0).per_second == 0.0
    assert arrivals.learn([], 100.0) == Arrivals()


def test_what_came_one_by_one_comes_one_by_one() -> None:
    learned = arrivals.learn(came_at(*range(0, 210, 10)), 200.0)
    assert learned.per_second == pytest.approx(0.1)
    assert set(learned.batches) == {1}


def test_what_came_at_once_comes_at_once() -> None:
    """As many clips as came, however they came."""
    times = [10.0 * number for number in range(20) for _ in range(8 if number == 10 else 1)]
    learned = arrivals.learn(came_at(*times), 200.0)
    assert sorted(learned.batches) == [*[1] * 18, 8]
    assert learned.per_second == pytest.approx(26 / 200)


def test_all_at_one_moment_tell_nothing_of_the_next() -> None:
    assert arrivals.learn(came_at(*[5.0] * 30), 50.0).per_second == 0.0


@given(st.lists(st.floats(0, 1e6), max_size=KEPT), st.floats(0, 1e6))
def test_whatever_came_it_is_a_stream(times: list[float], later: float) -> None:
    came = came_at(*sorted(times))
    learned = arrivals.learn(came, max(times, default=0.0) + later)
    assert 0.0 <= learned.per_second < float("inf")
    assert min(learned.batches) >= 1
    assert sum(learned.batches) <= max(1, len(times))


def test_a_burst_that_may_come_makes_the_upper_end_later_than_clips_one_by_one() -> None:
    """Half of the futures are the same or better, since as many come less often; the worst tenth is worse."""
    waiting = tuple(Clip(f"{n}", "red", 50.0 + n, Spread(10.0, 0.0)) for n in range(20))
    one_by_one = Arrivals(0.03, 0.0, (KIND,))
    snapshot = Snapshot(
        machines=(Machine("gpu-1", 30),),
        queue=waiting,
        components={"red weights": Component(10, 0.0)},
        builds={"red": ("red weights",)},
        jobs_per_worker=2,
        arrivals=one_by_one,
    )
    bursts = replace(snapshot, arrivals=replace(one_by_one, batches=(*[1] * 9, 21)))
    single, burst = (
        forecast(each, np.random.default_rng(3), plays=400).by_id["19"].ready for each in (snapshot, bursts)
    )
    assert burst.high > single.high + 100
    assert burst.low <= single.low
