"""A site has mornings and nights: who will come goes by the hour of the day."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from generation.scheduling import arrivals
from generation.scheduling.arrival_hours import HOUR_SECONDS, HOURS, ArrivalHours, seconds_weighed
from generation.scheduling.service_times import Spread
from generation.scheduling.snapshot import Arrivals, Kind

KIND = Kind("red", 0.0, Spread(10.0, 0.0))
DAY = HOURS * HOUR_SECONDS


def lived(days: int, busy: range, *, busy_clips: int = 60, quiet_clips: int = 6) -> ArrivalHours:
    """A site that was watched for some days, minute by minute, and is busy in some hours."""
    hours = ArrivalHours()
    for minute in range(days * HOURS * 60 + 1):
        hour = minute // 60 % HOURS
        hours.see((busy_clips if hour in busy else quiet_clips) // 6 if minute % 10 == 9 else 0, 60.0 * minute)
    return hours


def test_a_busy_hour_is_known_by_its_days_and_an_hour_like_the_others_is_like_them() -> None:
    factors = lived(10, range(8, 10)).factors()
    assert factors[8] == pytest.approx(factors[9])
    assert factors[8] > 3 * factors[20]
    assert lived(10, range(0)).factors() == pytest.approx([1.0] * HOURS, rel=1e-3)


def test_one_day_says_little_and_an_hour_that_goes_on_nothing() -> None:
    assert set(ArrivalHours().factors()) == {1.0}
    hours = ArrivalHours()
    for minute in range(59):
        hours.see(100, 60.0 * minute)
    assert set(hours.factors()) == {1.0}
    assert lived(1, range(8, 10)).factors()[8] < lived(10, range(8, 10)).factors()[8]


def test_what_was_busy_long_ago_is_forgotten() -> None:
    hours = lived(10, range(8, 10))
    for minute in range(10 * HOURS * 60, 40 * HOURS * 60 + 1):
        hours.see(1 if minute % 10 == 9 else 0, 60.0 * minute)
    assert hours.factors()[8] == pytest.approx(1.0, abs=0.05)


def test_seconds_of_busy_hours_count_more() -> None:
    factors = (2.0, 1.0, *(0.5,) * (HOURS - 2))
    assert seconds_weighed(factors, 1800.0, 5400.0) == 2.0 * 1800 + 1.0 * 1800
    whole = HOUR_SECONDS * sum(factors)
    assert seconds_weighed(factors, 100.0, 100.0 + 3 * DAY) == pytest.approx(3 * whole)
    assert seconds_weighed(factors, 0.0, DAY + HOUR_SECONDS) == pytest.approx(whole + 2.0 * HOUR_SECONDS)


def test_after_a_quiet_hour_the_busy_one_is_expected() -> None:
    """One came every ten minutes of the night; the morning begins in half an hour."""
    hours = lived(20, range(8, 12))
    now = 20 * DAY + 7.5 * HOUR_SECONDS
    came = [(now - 600.0 * number, KIND) for number in range(30, 0, -1)]
    learned = arrivals.learn(came, now, hours)
    assert learned.per_second == pytest.approx(1 / 600, rel=0.05)
    assert learned.hour_ends_in == 1800.0
    assert learned.by_hour[0] == 1.0
    assert learned.by_hour[1] > 3.0
    plain = arrivals.learn(came, now)
    assert plain.by_hour == ()
    assert plain.per_second == pytest.approx(1 / 600, rel=0.05)


def test_what_came_in_the_busy_hour_is_no_more_than_usual_in_the_quiet_one() -> None:
    hours = lived(20, range(8, 12))
    now = 20 * DAY + 12 * HOUR_SECONDS
    came = [(now - 60.0 * number, KIND) for number in range(60, 0, -1)]
    assert arrivals.learn(came, now, hours).per_second < 0.5 / 60


@pytest.mark.parametrize("batches", [(1,), (1, 4)])
def test_futures_follow_the_hours(batches: tuple[int, ...]) -> None:
    stream = Arrivals(0.02, 0.0, (KIND,), batches, 1800.0, (1.0, 4.0, *(0.1,) * (HOURS - 2)))
    _, times = arrivals.draw(stream, np.random.default_rng(1), 400, 2 * HOUR_SECONDS)
    counted = [
        float(((times >= begin) & (times < end)).sum(axis=1).mean()) for begin, end in ((0.0, 1800.0), (1800.0, 3000.0))
    ]
    assert counted == pytest.approx([0.02 * 1800, 0.02 * 4 * 1200], rel=0.1)
    assert (np.diff(times, axis=1) >= 0).all()


def test_the_rate_at_a_moment_is_that_of_its_hour() -> None:
    stream = Arrivals(1.0, 0.0, (KIND,), (1,), 1800.0, (1.0, 4.0, *(0.5,) * (HOURS - 2)))
    at = np.array([0.0, 1800.0, 1801.0, 5400.0, 5401.0, 1801.0 + DAY])
    assert arrivals.factor_at(stream, at).tolist() == [1.0, 1.0, 4.0, 4.0, 0.5, 4.0]
    assert set(arrivals.factor_at(replace(stream, by_hour=()), at)) == {1.0}


def test_it_goes_on_where_it_was() -> None:
    hours = lived(10, range(8, 10))
    hours.see(3, 10 * DAY + 90.0)
    again = ArrivalHours.from_json(json.loads(json.dumps(hours.to_json())))
    for each in (hours, again):
        each.see(5, 10 * DAY + 2 * HOUR_SECONDS)
    assert again.factors() == hours.factors()


@pytest.mark.parametrize("said", [{}, {"clips": [1.0], "seconds": [1.0], "hour": [None, 0, 0]}, {"clips": None}])
def test_what_is_no_day_is_refused(said: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        ArrivalHours.from_json(said)
