"""A render that was cut off goes on from its snapshot, to the very bytes of one that nobody disturbed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gpu_worker.contract import Progress, RenderJob
from gpu_worker.engine import Cpu, Engine, RenderedClip, RenderStopped
from gpu_worker.engine.snapshots import render_snapshots
from gpu_worker.families import FAMILIES
from gpu_worker.snapshot_files import SnapshotFiles
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import CASES, job_for, loaded

FIRST_MODES = [(family.name, next(iter(family.modes))) for family in FAMILIES.values()]
QUANTISATIONS = ("none", "int8", "fp8", "nf4")
EVERY = [(*case, quantisation) for case in CASES for quantisation in QUANTISATIONS]


@pytest.fixture(autouse=True)
def snapshots_at_any_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny step takes less time than writing a file."""
    monkeypatch.setattr(render_snapshots, "MOST_COST", float("inf"))


@pytest.fixture
def files(tmp_path: Path) -> SnapshotFiles:
    return SnapshotFiles(tmp_path / "snapshots", every_seconds=0.0)


def render(
    engine: Engine,
    job: RenderJob,
    folder: Path,
    files: SnapshotFiles | None = None,
    *,
    stop_after: int | None = None,
) -> tuple[RenderedClip, list[int]]:
    """The clip, and the steps that were told of."""
    told: list[Progress] = []
    steps: list[int] = []

    def should_stop() -> bool:
        steps[:] = [progress.step for progress in told if progress.kind == "step"]
        return stop_after is not None and steps[-1:] == [stop_after]

    folder.mkdir(exist_ok=True)
    roles = FAMILIES[job.model.family].modes[job.mode].needs
    inputs = {role: loaded(role) for role in roles}
    made = engine.render(
        job, inputs=inputs, folder=folder, on_progress=told.append, should_stop=should_stop, snapshots=files
    )
    return made, steps


def assert_resumes(engine: Engine, job: RenderJob, folder: Path, files: SnapshotFiles) -> None:
    undisturbed, all_steps = render(engine, job, folder / "undisturbed")
    middle = len(all_steps) // 2
    with pytest.raises(RenderStopped):
        render(engine, job, folder / "cut off", files, stop_after=middle)
    resumed, steps = render(engine, replace(job, attempt=2), folder / "resumed", files)
    assert steps == list(range(middle + 1, len(all_steps) + 1))
    assert (resumed.resumed_from_step, resumed.steps_done) == (middle, len(all_steps))
    assert resumed.facts.sha256 == undisturbed.facts.sha256


@pytest.mark.parametrize(("family", "mode"), FIRST_MODES)
def test_a_family_goes_on_to_the_same_bytes(
    engine: Engine, models: Path, tmp_path: Path, files: SnapshotFiles, family: str, mode: str
) -> None:
    job = job_for(family, mode, checkpoint_for(family, mode, models))
    assert_resumes(engine, replace(job, steps=len(job.call.get("sigmas", (1, 2)))), tmp_path, files)


@pytest.mark.seeds
@pytest.mark.parametrize(("family", "mode", "quantisation"), EVERY)
def test_every_mode_goes_on_to_the_same_bytes_in_another_engine(
    models: Path, tmp_path: Path, files: SnapshotFiles, family: str, mode: str, quantisation: str
) -> None:
    job = job_for(family, mode, checkpoint_for(family, mode, models))
    model = replace(job.model, dtype="float32" if quantisation == "none" else "bfloat16", quantisation=quantisation)
    steps = len(job.call.get("sigmas", range(5)))
    engine = Engine(device=Cpu(2**31), models=models, cache=tmp_path / "cache")
    assert_resumes(engine, replace(job, model=model, steps=steps), tmp_path, files)
