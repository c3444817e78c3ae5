"""How a render is laid out, and what it is estimated to need: figures in, a decision out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.contract import Stage
from gpu_worker.engine import DoesNotFit
from gpu_worker.engine.memory.headroom import Headroom
from gpu_worker.engine.memory.placement import place
from gpu_worker.families import family
from gpu_worker.families.activations import Estimate, Shape, Workload
from gpu_worker.families.memory import PLACEMENTS, MemoryNeeds, Placement


def needs(**changes: Any) -> MemoryNeeds:
    values: dict[str, Any] = {
        "encoders_bytes": 50,
        "denoisers_bytes": 60,
        "block_swap_bytes": 10,
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
        (74, 60, Placement(is_decoding_tiled=True, swapped_bytes=1)),
        (52, 60, Placement(is_decoding_tiled=True, swapped_bytes=23)),
    ],
)
def test_the_cheapest_that_fits_is_taken(budget: int, host: int, expected: Placement) -> None:
    assert place(needs(), budget_bytes=budget, host_bytes=host) == expected


@pytest.mark.parametrize(
    ("budget", "host", "wanted", "reason"),
    [
        (51, 60, "auto", "at least 52 B are needed at once and the budget is 51 B"),
        (74, 59, "auto", "at least 75 B are needed at once and the budget is 74 B; block swap would need 60 B"),
        (74, 60, "resident", "at least 75 B .* its placement 'resident' has no block swap"),
        (999, 0, "block_swap", "has no block swap|at least"),
        (999, 60, "sideways", "No placement 'sideways'; there are: auto, resident, tiled, block_swap"),
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
        block_swap_bytes=figures,
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
        possible = [p for p in PLACEMENTS[wanted] if not p.is_block_swapped or n.denoisers_bytes <= host]
        assert all(n.peak_bytes(p, is_firm=True) > budget for p in possible)
        return
    assert n.peak_bytes(placement, is_firm=True) <= budget
    assert not placement.is_block_swapped or n.denoisers_bytes <= host


def workload(voxels: int = 1_000, *, expected_bytes: int = 150_000, **changes: Any) -> Workload:
    values: dict[str, Any] = {"stage": Stage.DECODING, "how": "whole", **changes}
    return Workload(weights="weights", voxels=voxels, expected_bytes=expected_bytes, **values)


def test_a_stage_never_measured_is_estimated_as_its_family_expects(tmp_path: Path) -> None:
    assert Headroom(tmp_path / "headroom.json").estimate(workload()) == Estimate(150_000, False)


def test_a_measurement_replaces_what_was_expected_and_survives_the_process(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    for peak in (300, 500, 400):
        headroom.learn(workload(), peak)
    assert headroom.estimate(workload()) == Estimate(500, True)
    assert Headroom(tmp_path / "headroom.json").estimate(workload()) == Estimate(500, True)


@pytest.mark.parametrize("changes", [{"how": "tiled"}, {"stage": Stage.DENOISING}, {"weights": "others"}])
def test_what_was_measured_of_one_workload_says_nothing_of_another(tmp_path: Path, changes: dict[str, Any]) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(), 500)
    assert headroom.estimate(replace(workload(), **changes)) == Estimate(150_000, False)


def test_another_shape_is_estimated_by_how_far_the_nearest_was_from_what_was_expected_of_it(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(1_000, expected_bytes=800), 400)
    headroom.learn(workload(10_000, expected_bytes=4_000), 9_000)
    assert headroom.estimate(workload(2_000, expected_bytes=1_600)) == Estimate(1_000, False)


def test_old_measurements_are_forgotten(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(), 10_000)
    for _ in range(20):
        headroom.learn(workload(), 100)
    assert headroom.estimate(workload()) == Estimate(100, True)


def test_after_a_failure_more_is_asked_for_also_by_the_next_process_until_a_run_has_succeeded(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(), 1_000)
    headroom.raise_after_failure(workload(), 1_500)
    assert headroom.estimate(workload()) == Estimate(1_950, False)
    headroom = Headroom(tmp_path / "headroom.json")
    assert headroom.estimate(workload()) == Estimate(1_950, False)
    headroom.learn(workload(), 900)
    assert headroom.estimate(workload()) == Estimate(1_000, True)


def test_hours_after_a_failure_the_better_placement_is_tried_again(tmp_path: Path) -> None:
    now = 1_000_000.0
    headroom = Headroom(tmp_path / "headroom.json", clock=lambda: now)
    headroom.learn(workload(), 1_000)
    headroom.raise_after_failure(workload(), 1_500)
    now += 5 * 3600
    assert headroom.estimate(workload()) == Estimate(1_950, False)
    now += 3600
    assert headroom.estimate(workload()) == Estimate(1_000, True)


def test_a_run_with_swapped_blocks_is_learned_from_and_proves_nothing_about_one_without(tmp_path: Path) -> None:
    headroom = Headroom(tmp_path / "headroom.json")
    headroom.learn(workload(), 800, is_swapped=True)
    assert headroom.estimate(workload()) == Estimate(800, True)
    headroom.raise_after_failure(workload(), 1_500)
    headroom.learn(workload(), 900, is_swapped=True)
    assert headroom.estimate(workload()) == Estimate(1_950, False)


@pytest.mark.parametrize(
    "content", ['{"measured": {"weights:decoding:whole": {"10', '{"measured": []}', "[]", '{"a:b:whole": {"1": [2]}}']
)
def test_a_memory_that_cannot_be_read_is_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "headroom.json").write_text(content)
    assert Headroom(tmp_path / "headroom.json").estimate(workload()) == Estimate(150_000, False)


def shape(family_name: str = "wan", **changes: Any) -> Shape:
    values: dict[str, Any] = {"width": 64, "height": 32, "num_frames": 9, "call": {"guidance_scale": 1.0}, **changes}
    return Shape(family=family(family_name), **values)


def test_a_workload_is_of_a_shape_except_for_prompts() -> None:
    assert Workload.of(Stage.DENOISING, shape()).voxels == 64 * 32 * 9
    assert Workload.of(Stage.ENCODING_PROMPT, shape()).voxels == 0


def test_guidance_that_doubles_the_batch_doubles_what_is_expected_and_is_measured_apart() -> None:
    for name, factor in (("ltx", 2), ("cogvideox", 2), ("ltx2", 2), ("wan", 1), ("hunyuan", 1)):
        off = {"guidance_scale": 1.0, "audio_guidance_scale": 1.0}
        without = Workload.of(Stage.DENOISING, shape(name, mode="text", call=off))
        guided = Workload.of(Stage.DENOISING, shape(name, mode="text", call={**off, "guidance_scale": 3.0}))
        assert guided.expected_bytes == pytest.approx(factor * without.expected_bytes), name
        assert (guided.how != without.how) == (factor == 2), name


def test_caches_and_given_clips_are_measured_apart() -> None:
    plain = Workload.of(Stage.DENOISING, shape(mode="text"))
    cached = Workload.of(Stage.DENOISING, shape(mode="text"), cache="first_block_cache")
    given = Workload.of(Stage.DENOISING, shape(mode="image"))
    assert len({plain.how, cached.how, given.how}) == 3


@pytest.mark.parametrize(
    ("name", "frames_at_once"), [("helios", 33), ("helios_pyramid", 33), ("skyreels", 97), ("framepack", 36)]
)
def test_clips_of_several_passes_count_the_voxels_of_one(name: str, frames_at_once: int) -> None:
    made_by = family(name)
    short, long = (shape(name, num_frames=made_by.frames.nearest(n)) for n in (600, 1_440))
    denoising = [Workload.of(Stage.DENOISING, s) for s in (short, long)]
    assert denoising[0] == denoising[1]
    assert denoising[0].voxels == 64 * 32 * frames_at_once
