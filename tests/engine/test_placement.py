"""How a render is laid out, and what it is estimated to need: figures in, a decision out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.contract import Stage
from gpu_worker.engine import DoesNotFit
from gpu_worker.engine.memory.headroom import Headroom
from gpu_worker.engine.memory.memory_needs import shape_of
from gpu_worker.engine.memory.placement import place
from gpu_worker.families.memory import PLACEMENTS, Estimate, MemoryNeeds, Placement, Workload
from tests.engine.jobs import render_job


def needs(**changes: Any) -> MemoryNeeds:
    values: dict[str, Any] = {
        "encoders_bytes": 50,
        "denoisers_bytes": 60,
        "streamed_bytes": 10,
        "decoders_bytes": 5,
        "encoding": Estimate(2, True),
        "denoising": Estimate(10, True),
        "decoding": Estimate(90, True),
        "tiled_decoding": Estimate(20, True),
        **changes,
    }
    return MemoryNeeds(**values)


@pytest.mark.parametrize(
    ("budget", "host", "expected"),
    [
        (1_000, 0, Placement()),
        (95, 0, Placement()),
        (94, 0, Placement(is_decoding_tiled=True)),
        (75, 0, Placement(is_decoding_tiled=True)),
        (74, 60, Placement(is_decoding_tiled=True, is_streamed=True)),
        (52, 60, Placement(is_decoding_tiled=True, is_streamed=True)),
    ],
)
def test_the_cheapest_that_fits_is_taken(budget: int, host: int, expected: Placement) -> None:
    assert place(needs(), budget_bytes=budget, host_bytes=host) == expected


@pytest.mark.parametrize(
    ("budget", "host", "wanted", "reason"),
    [
        (51, 60, "auto", "at least 52 B are needed at once and the budget is 51 B"),
        (74, 59, "auto", "at least 75 B are needed at once and the budget is 74 B; streaming would need 60 B"),
        (74, 60, "resident", "at least 75 B .* its placement 'resident' does not stream"),
        (999, 0, "streamed", "does not stream|at least"),
        (999, 60, "sideways", "No placement 'sideways'; there are: auto, resident, tiled, streamed"),
    ],
)
def test_what_does_not_fit_says_why(budget: int, host: int, wanted: str, reason: str) -> None:
    with pytest.raises(DoesNotFit, match=reason):
        place(needs(), budget_bytes=budget, host_bytes=host, wanted=wanted)


def test_an_estimate_never_refuses_but_makes_frugal() -> None:
    guessed = needs(decoding=Estimate(10_000, False), tiled_decoding=Estimate(5_000, False))
    assert place(guessed, budget_bytes=80, host_bytes=0) == Placement(is_decoding_tiled=True)


def test_clips_of_several_passes_keep_the_denoiser_while_they_decode() -> None:
    assert place(needs(is_decoded_between=True), budget_bytes=100, host_bytes=0) == Placement(is_decoding_tiled=True)


figures = st.integers(0, 200)
estimates = st.builds(Estimate, figures, st.booleans())


@given(
    st.builds(
        MemoryNeeds,
        encoders_bytes=figures,
        denoisers_bytes=figures,
        streamed_bytes=figures,
        decoders_bytes=figures,
        encoding=estimates,
        denoising=estimates,
        decoding=estimates,
        tiled_decoding=estimates,
        is_decoded_between=st.booleans(),
    ),
    st.integers(0, 600),
    st.integers(0, 300),
    st.sampled_from(sorted(PLACEMENTS)),
)
def test_what_is_placed_fits_by_everything_that_was_measured(
    n: MemoryNeeds, budget: int, host: int, wanted: str
) -> None:
    try:
        placement = place(n, budget_bytes=budget, host_bytes=host, wanted=wanted)
    except DoesNotFit:
        possible = [p for p in PLACEMENTS[wanted] if not p.is_streamed or n.denoisers_bytes <= host]
        assert all(n.peak_bytes(p, is_firm=True) > budget for p in possible)
        return
    assert n.peak_bytes(placement, is_firm=True) <= budget
    assert not placement.is_streamed or n.denoisers_bytes <= host


def workload(voxels: int = 1_000, stage: Stage = Stage.DECODING, **changes: Any) -> Workload:
    return Workload(weights="weights", stage=stage, voxels=voxels, **changes)


def test_a_stage_never_measured_is_estimated_by_formula(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    assert headroom.estimate(workload()) == Estimate(150_000, False)
    assert headroom.estimate(workload(is_tiled=True)).size_bytes < 150_000
    encoding = workload(0, Stage.ENCODING_PROMPT, weights_bytes=1_000)
    assert headroom.estimate(encoding) == Estimate(50, False)


def test_a_measurement_replaces_the_formula_and_survives_the_process(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    for peak in (300, 500, 400):
        headroom.learn(workload(), peak)
    assert headroom.estimate(workload()) == Estimate(500, True)
    assert Headroom(tmp_path / "headroom.json").estimate(workload()) == Estimate(500, True)
    assert not headroom.estimate(workload(is_tiled=True)).is_measured


def test_another_shape_is_estimated_from_the_nearest_one(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(1_000), 400)
    headroom.learn(workload(10_000), 9_000)
    assert headroom.estimate(workload(2_000)) == Estimate(1_000, False)


def test_old_measurements_are_forgotten(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(), 10_000)
    for _ in range(20):
        headroom.learn(workload(), 100)
    assert headroom.estimate(workload()) == Estimate(100, True)


def test_after_a_failure_more_is_asked_for_until_a_run_has_succeeded(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(), 1_000)
    headroom.raise_after_failure(workload(), 1_500)
    assert headroom.estimate(workload()) == Estimate(1_950, False)
    assert Headroom(tmp_path / "headroom.json").estimate(workload()) == Estimate(1_000, True)
    headroom.learn(workload(), 900)
    assert headroom.estimate(workload()) == Estimate(1_000, True)


def test_a_memory_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "headroom.json").write_text('{"weights:decoding:whole": {"10')
    assert Headroom(tmp_path / "headroom.json").estimate(workload()) == Estimate(150_000, False)


def test_a_workload_is_of_a_shape_except_for_prompts() -> None:
    shape = shape_of(render_job(width=64, height=32, num_frames=9))
    assert Workload.of(Stage.DENOISING, shape).voxels == 64 * 32 * 9
    assert Workload.of(Stage.ENCODING_PROMPT, shape).voxels == 0
