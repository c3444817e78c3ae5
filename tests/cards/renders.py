"""Renders of tiny clips, on one card or several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gpu_worker.contract import Progress, RenderJob
from gpu_worker.engine import Engine
from gpu_worker.engine.cards.shared_engine import SharedEngine
from gpu_worker.engine.video.rendered import RenderedFrames
from gpu_worker.families import FAMILIES
from gpu_worker.snapshot_files import SnapshotFiles
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, loaded


def job_of(family: str, mode: str, models: Path) -> RenderJob:
    """The smallest clip, as a worker is sent it."""
    return RenderJob.from_wire(job_for(family, mode, checkpoint_for(family, mode, models)).to_wire())


def render(
    engine: Engine | SharedEngine,
    job: RenderJob,
    folder: Path,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    snapshots: SnapshotFiles | None = None,
) -> RenderedFrames:
    folder.mkdir()
    return engine.render_frames(
        job,
        inputs={role: loaded(role) for role in FAMILIES[job.model.family].modes[job.mode].needs},
        folder=folder,
        on_progress=on_progress,
        should_stop=should_stop,
        snapshots=snapshots,
    )
