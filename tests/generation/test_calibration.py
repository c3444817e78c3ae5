"""Ranges follow what came of earlier ones, whoever made them and however wrong they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.scheduling.calibration import EDGES_SECONDS, Calibration, Factor, Range, horizon_of

SECONDS = st.floats(0.1, 1e5)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    low, mid, high = sorted(draw(st.tuples(SECONDS, SECONDS, SECONDS)))
    return Range(low, mid, high)


def misses(said: Range, waits: list[float], rounds: int) -> tuple[float, float]:
    """Shares that came late and early while ``waits`` come round and round, the second half of the rounds."""
    calibration, late, early, counted = Calibration(), 0, 0, 0
    for number in range(rounds):
        told, came = calibration.correct(said), waits[number * 7 % len(waits)]
        if number >= rounds // 2:
            late, early, counted = late + (came > told.high), early + (came < told.low), counted + 1
        calibration.learn(said, came)
    return late / counted, early / counted


WAITS = [60.0 + 10 * n for n in range(20)]
"""Evenly from 60 to 250 seconds: coprime to the stride, so each comes as often as any."""


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(Range(150, 155, 160), id="far too narrow"),
        pytest.param(Range(10, 155, 600), id="far too wide"),
        pytest.param(Range(60, 100, 140), id="too early"),
        pytest.param(Range(160, 210, 260), id="too late"),
    ],
)
def test_a_tenth_comes_later_and_a_tenth_earlier_however_wrong_a_forecast_is(said: Range) -> None:
    late, early = misses(said, WAITS, 800)
    assert 0.05 <= late <= 0.15
    assert early <= 0.15


def test_what_drifts_is_followed() -> None:
    calibration, said = Calibration(), Range(90, 100, 110)
    for came in [100.0] * 200 + [125.0, 130.0, 135.0] * 100:
        calibration.learn(said, came)
    assert calibration.correct(said).high >= 130


@given(ranges(), st.lists(st.tuples(ranges(), SECONDS), max_size=60))
def test_a_corrected_range_is_a_range_around_the_same_middle(said: Range, came: list[tuple[Range, float]]) -> None:
    calibration = Calibration()
    for told, seconds in came:
        calibration.learn(told, seconds)
    now = calibration.correct(said)
    assert 0 <= now.low <= now.mid == said.mid <= now.high


@given(st.lists(st.tuples(ranges(), SECONDS), max_size=60), st.sampled_from(EDGES_SECONDS))
def test_no_range_jumps_where_a_horizon_ends(came: list[tuple[Range, float]], edge: float) -> None:
    calibration = Calibration()
    for told, seconds in came:
        calibration.learn(told, seconds)
    before, after = (calibration.correct(Range(mid / 2, mid, mid * 2)) for mid in (edge * 0.999, edge * 1.001))
    assert after.high == pytest.approx(before.high, rel=0.02)


def test_a_tier_with_few_clips_is_told_what_all_are() -> None:
    calibration, said = Calibration(), Range(90, 100, 110)
    for _ in range(300):
        calibration.learn(said, 130.0, "free")
    general = calibration.correct(said)
    assert calibration.correct(said, "paid") == general
    calibration.learn(said, 100.0, "paid")
    assert calibration.correct(said, "paid").high == pytest.approx(general.high, rel=0.05)


def test_a_tier_of_its_own_pace_is_learned_apart() -> None:
    calibration, said = Calibration(), Range(90, 100, 110)
    for _ in range(300):
        calibration.learn(said, 130.0, "free")
        calibration.learn(said, 100.0, "paid")
    assert calibration.correct(said, "paid").high < calibration.correct(said, "free").high


def test_what_is_kept_does_not_grow_with_clips() -> None:
    calibration = Calibration()
    for number in range(500):
        calibration.learn(Range(1.0 + number, 2.0 + 3 * number, 4.0 + 5 * number), 50.0, ("free", "paid")[number % 2])
    assert len(calibration.factors) <= 12
    assert len(calibration.learn(Range(90, 100, 110), 50.0, "paid")) <= 4


def test_horizons_end_where_the_record_says() -> None:
    assert [horizon_of(seconds) for seconds in (0, 29, 30, 119, 120, 599, 600, 1e6)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_one_miss_moves_an_end_by_less_than_a_third() -> None:
    assert Factor().after(Range(90, 100, 110), 1e9, 1.0).high < 4 / 3
