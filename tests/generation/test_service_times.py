"""What clips will take: a formula first, then what reports say, kept in a few numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.scheduling.service_times import (
    UNKNOWN_SECONDS,
    ServiceTimes,
    Spread,
    Statistic,
    Work,
    observed_rates,
    together,
)

WORK = Work("build", "text", "standard", "card", steps=20, voxels=1_000_000)
STAGES = {
    "loading": 9.0,
    "encoding_prompt": 1.0,
    "denoising": 40.0,
    "decoding": 6.0,
    "encoding_video": 2.0,
    "uploading": 1.0,
}
RATES = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=80)


def taught(times: int = 40) -> ServiceTimes:
    known = ServiceTimes()
    for _ in range(times):
        known.learn(WORK, STAGES)
    return known


def test_before_data_the_rows_reference_speed_is_believed() -> None:
    assert ServiceTimes().service(replace(WORK, reference_seconds=90.0)).median_seconds == pytest.approx(90.0, rel=0.02)


def test_with_neither_formula_nor_data_the_range_is_wide() -> None:
    said, formula = ServiceTimes().service(WORK), ServiceTimes().service(replace(WORK, reference_seconds=90.0))
    assert said.median_seconds == pytest.approx(UNKNOWN_SECONDS, rel=0.02)
    assert said.doubt > formula.doubt


def test_reports_replace_the_formula_and_loading_is_no_part_of_it() -> None:
    said = taught().service(replace(WORK, reference_seconds=500.0))
    assert said.median_seconds == pytest.approx(47.0, rel=0.03)
    assert said.doubt < ServiceTimes().service(WORK).doubt / 3


def test_a_few_reports_pull_a_wrong_formula_most_of_the_way() -> None:
    assert 47 < taught(3).service(replace(WORK, reference_seconds=100.0)).median_seconds < 60


def test_a_size_never_made_is_told_from_others_of_the_build() -> None:
    said = taught().service(replace(WORK, voxels=4_000_000, steps=40, preset="best"))
    assert said.median_seconds == pytest.approx(40 * 8 + 6 * 4 + 1, rel=0.05)
    assert said.doubt > taught().service(WORK).doubt


def test_what_follows_the_card_is_no_part_of_it_and_told_apart() -> None:
    """The card makes the next clip meanwhile."""
    assert taught().delivery(WORK).median_seconds == pytest.approx(3.0, rel=0.03)


def test_a_swapped_model_begins_with_its_own_formula() -> None:
    assert taught().service(replace(WORK, build="other", reference_seconds=7.0)).median_seconds == pytest.approx(
        7.0, rel=0.02
    )


def test_a_sum_of_parts_has_their_mean_and_variance() -> None:
    """The sum of the medians is less: of two parts that vary, either one is often long."""
    parts = (Spread(8.0, 0.2), Spread(5.0, 0.6), Spread(1.0, 0.9))
    draws = np.random.default_rng(1).lognormal(
        [math.log(part.median_seconds) for part in parts], [part.sd for part in parts], (100_000, len(parts))
    )
    whole = draws.sum(axis=1)
    said = together(*parts)
    assert said.mean_seconds == pytest.approx(whole.mean(), rel=0.01)
    assert said.mean_seconds**2 * math.expm1(said.sd**2) == pytest.approx(whole.var(), rel=0.1)
    assert said.median_seconds > 1.05 * sum(part.median_seconds for part in parts)


def test_one_part_that_once_took_an_hour_takes_nothing_from_what_the_others_take() -> None:
    known, usual = ServiceTimes(), {"encoding_prompt": 0.05, "denoising": 8.5, "decoding": 1.2}
    for _ in range(30):
        known.learn(WORK, usual)
    known.learn(WORK, usual | {"encoding_prompt": 3600.0})
    assert known.service(WORK).median_seconds == pytest.approx(9.75, rel=0.05)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 5)), max_size=4))
def test_a_sum_keeps_its_mean_and_half_of_it_exceeds_half_of_the_parts(sizes: list[tuple[float, float]]) -> None:
    parts = [Spread(*each) for each in sizes]
    whole = together(*parts)
    assert whole.mean_seconds == pytest.approx(sum(part.mean_seconds for part in parts))
    assert whole.median_seconds >= 0.999_999 * sum(part.median_seconds for part in parts)


def test_a_card_that_is_slower_is_learned_apart() -> None:
    known = taught()
    slow = replace(WORK, card="slow")
    for _ in range(40):
        known.learn(slow, {stage: 3 * seconds for stage, seconds in STAGES.items()})
        known.learn(WORK, STAGES)
    assert known.service(slow).median_seconds == pytest.approx(141.0, rel=0.1)
    assert known.service(WORK).median_seconds == pytest.approx(47.0, rel=0.1)


def test_what_is_kept_does_not_grow_with_reports() -> None:
    assert len(taught(200).known) == len(taught(1).known) == 12
    assert len(observed_rates(WORK, STAGES)) == 12


def test_loading_is_learned_by_the_byte() -> None:
    known = ServiceTimes()
    before = known.load_seconds("card", 10**10)
    for _ in range(40):
        known.learn_load("card", 10**9, 4.0)
    assert known.load_seconds("card", 10**10) == pytest.approx(40.0, rel=0.05) != before


def test_a_clip_that_loaded_nothing_says_nothing_of_loading() -> None:
    known = ServiceTimes()
    known.learn_load("card", 0, 1.0)
    assert not known.known


def test_a_render_goes_on_at_its_own_pace() -> None:
    known = ServiceTimes()
    for number in range(40):
        known.learn(WORK, STAGES | {"denoising": (30.0, 50.0)[number % 2]})
    said = known.remaining(WORK, steps_done=10, seconds_per_step=4.0)
    assert said.median_seconds == pytest.approx(10 * 4.0 + 6.0, rel=0.03)
    assert said.sd < known.service(WORK).sd / 3


def test_what_came_before_the_steps_is_over_with_the_first() -> None:
    known = ServiceTimes()
    for _ in range(40):
        known.learn(WORK, STAGES | {"encoding_prompt": 20.0})
    first, second = (known.remaining(WORK, steps_done=n, seconds_per_step=2.0).median_seconds for n in (0, 1))
    assert first - second == pytest.approx(22.0, rel=0.05)


def test_what_is_left_is_never_nothing_and_never_certain() -> None:
    said = taught().remaining(WORK, steps_done=20, seconds_per_step=2.0, since_step_seconds=1000.0)
    assert said.median_seconds > 0
    assert said.sd > 0


@given(st.integers(0, 19))
def test_each_step_made_leaves_less(done: int) -> None:
    known = taught()
    now, then = (known.remaining(WORK, steps_done=n, seconds_per_step=2.0) for n in (done, done + 1))
    assert then.median_seconds <= now.median_seconds * 1.05


@given(RATES)
def test_a_mean_lies_among_what_was_seen(rates: list[float]) -> None:
    seen = Statistic()
    for rate in rates:
        seen = seen.add(rate)
    logs = [math.log(rate) for rate in rates]
    assert min(logs) - 1e-6 <= seen.mean <= max(logs) + 1e-6
    assert seen.squares >= -1e-9
    assert seen.weight <= 50.0


@given(RATES)
def test_whatever_reports_say_a_spread_can_be_drawn_from(rates: list[float]) -> None:
    known = ServiceTimes()
    for rate in rates:
        known.learn(WORK, {"denoising": rate})
    said = known.service(WORK)
    assert all(math.isfinite(each) and each >= 0 for each in (said.median_seconds, said.sd, said.doubt))
