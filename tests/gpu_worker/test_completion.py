"""How much of a render is done: a share of its whole time, which never falls and is never all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.completion import Completion
from gpu_worker.contract import Stage
from gpu_worker.service_time import ServiceTimes
from tests.gpu_worker.conftest import make_job

JOB = make_job(Path("/nowhere"), steps=4)
HALF_AFTER_THE_STEPS = {
    "encoding_prompt": 1.0,
    "denoising": 4.0,
    "decoding": 3.0,
    "encoding_video": 1.0,
    "uploading": 1.0,
}


def completion(learned: Mapping[str, float] = HALF_AFTER_THE_STEPS, loading_seconds: float | None = 0.0) -> Completion:
    return Completion(JOB, learned=learned, loading_seconds=loading_seconds)


def course(of: Completion) -> list[int]:
    """Percent at the beginning of each stage, and after each step."""
    told, done = [], 0
    for stage in Stage:
        told.append(of.percent(stage=stage, step=done, steps_total=4))
        while stage == Stage.DENOISING and done < 4:
            done += 1
            told.append(of.percent(stage=stage, step=done, steps_total=4))
    return told


def test_after_the_last_step_what_is_still_to_come_is_left() -> None:
    loading, prompt, *steps, decoding, encoding, uploading = course(completion())
    assert (loading, prompt, steps, decoding) == (0, 0, [10, 20, 30, 40, 50], 50)
    assert (encoding, uploading) == (80, 90)


def test_loading_is_a_part_of_it_by_what_it_will_take_now() -> None:
    assert course(completion(loading_seconds=10.0))[1] == 50
    assert course(completion(loading_seconds=None))[1] == 0


def test_what_begins_anew_takes_nothing_back() -> None:
    tried = completion()
    for stage, step in ((Stage.DENOISING, 3), (Stage.LOADING, 0), (Stage.DENOISING, 1)):
        said = tried.percent(stage=stage, step=step, steps_total=4)
        assert said == 40


def test_a_card_that_made_such_a_clip_knows_its_stages() -> None:
    times = ServiceTimes()
    times.learn(JOB, {"loading": 60.0, "denoising": 5.0, "decoding": 5.0, "uploading": 0.0})
    longer = make_job(Path("/nowhere"), steps=8)
    assert times.by_stage(JOB) == pytest.approx({"denoising": 5.0, "decoding": 5.0, "uploading": 0.0})
    assert times.by_stage(longer) == pytest.approx({"denoising": 10.0, "decoding": 5.0, "uploading": 0.0})
    assert times.seconds(longer) == pytest.approx(15.0)


def test_the_rows_reference_tells_how_long_the_card_is_at_it() -> None:
    fast, slow = (
        Completion(make_job(Path("/nowhere"), steps=4, reference_gpu_seconds=s), learned={}, loading_seconds=10.0)
        for s in (1.0, 100.0)
    )
    begun = [each.percent(stage=Stage.DENOISING, step=0, steps_total=4) for each in (fast, slow)]
    assert begun[0] > 70 > 20 > begun[1]


_stages = st.sampled_from([*(stage.value for stage in Stage), "", "comparing"])
_figures = st.dictionaries(_stages, st.floats(0, 1e6), max_size=6)


@given(_figures, st.none() | st.floats(0, 1e6), st.lists(st.tuples(_stages, st.integers(-1, 9), st.integers(-1, 9))))
def test_it_never_falls_and_is_never_all(
    learned: dict[str, float], loading_seconds: float | None, said: list[tuple[str, int, int]]
) -> None:
    tried = completion(learned, loading_seconds)
    told = [tried.percent(stage=stage, step=step, steps_total=total) for stage, step, total in said]
    assert told == sorted(told)
    assert all(0 <= percent <= 99 for percent in told)
