"""Every family on the simulated card makes the frames that it makes elsewhere, whole there or by block swap.

Each family by block swap is in every run. Every mode, whole on the card and in each quantisation, is ``make card``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Cpu, Cuda, Engine
from gpu_worker.engine.video.clip import Frames
from gpu_worker.families import FAMILIES
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import CASES, job_for, loaded
from tests.late_card.card import KIND, Card
from tests.late_card.short_text import SHORT_TEXT

LAYOUTS = {
    "whole": ("auto", "none"),
    "block swap": ("block_swap", "none"),
    "block swap, int8": ("block_swap", "int8"),
    "block swap, fp8": ("block_swap", "fp8"),
    "block swap, nf4": ("block_swap", "nf4"),
}
SHORT = {(family.name, next(iter(family.modes)), "block swap") for family in FAMILIES.values()}
EVERY = [(name, mode, layout) for name, mode in CASES for layout in LAYOUTS]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny-models")


@pytest.fixture(scope="session")
def by_processor(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(device=Cpu(2**31), models=tiny_models, cache=tmp_path_factory.mktemp("by-processor"))


def laid_out(job: RenderJob, layout: str, *, is_swapped: bool) -> RenderJob:
    placement, quantisation = LAYOUTS[layout]
    model = dataclasses.replace(job.model, quantisation=quantisation, placement=placement if is_swapped else "auto")
    return dataclasses.replace(job, model=model)


def frames_on(engine: Engine, job: RenderJob, folder: Path) -> Frames:
    """The frames as they leave the card: H.264 makes several levels of one that rounding turns."""
    inputs = {role: loaded(role) for role in FAMILIES[job.model.family].modes[job.mode].needs}
    made = engine.render_frames(
        job, inputs=inputs, folder=folder, on_progress=lambda _: None, should_stop=lambda: False
    )
    made.discard()
    return made.raw.frames


@pytest.mark.parametrize(
    ("family_name", "mode", "layout"),
    [case if case in SHORT else pytest.param(*case, marks=pytest.mark.card) for case in EVERY],
)
def test_frames_are_the_same_however_the_weights_lie(
    card: Card, tiny_models: Path, by_processor: Engine, tmp_path: Path, family_name: str, mode: str, layout: str
) -> None:
    if "nf4" in layout:
        pytest.importorskip("bitsandbytes")
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, tiny_models))
    if family_name == "ltx":  # the family whose text is as long as is asked for
        job = dataclasses.replace(job, call={**job.call, **SHORT_TEXT})
    folders = [tmp_path / name for name in ("whole", "swapped")]
    for folder in folders:
        folder.mkdir()
    on_card = Engine(
        device=Cuda(kind=KIND, host_bytes=2**30, pinned_bytes=2**29), models=tiny_models, cache=tmp_path / "cache"
    )
    # The processor has kernels of its own for quantised weights: these are compared with the same, whole on the card.
    is_quantised = LAYOUTS[layout][1] != "none"
    whole = on_card if is_quantised else by_processor
    expected = frames_on(whole, laid_out(job, layout, is_swapped=False), folders[0])
    made = frames_on(on_card, laid_out(job, layout, is_swapped=True), folders[1])
    difference = np.abs(made.astype(int) - expected)
    assert difference.max() <= (0 if is_quantised else 1)
    assert difference.mean() < 0.001
    assert card.hazards == []
