"""All families on one device that holds little more than the largest of them, one after the other and around again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Engine
from gpu_worker.families import FAMILIES
from tests.engine.jobs import frames_of, render
from tests.engine.shelves import StillCpu
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, loaded


def first_jobs(models: Path) -> list[RenderJob]:
    """Each family in its first mode; without the preview, whose real checkpoint outweighs most of the others."""
    firsts = [(name, next(iter(family.modes))) for name, family in FAMILIES.items() if name != "preview"]
    return [job_for(name, mode, checkpoint_for(name, mode, models)) for name, mode in firsts]


def frames(engine: Engine, job: RenderJob, folder: Path) -> npt.NDArray[np.uint8]:
    inputs = {role: loaded(role) for role in FAMILIES[job.model.family].modes[job.mode].needs}
    return frames_of(render(engine, job, folder, inputs=inputs).clip)


def needed_bytes(engine: Engine, job: RenderJob) -> int:
    """What the larger stage of ``job`` holds at once."""
    model = engine._library.open(job.model)
    sizes = {name: engine._residency.size_bytes(c) for name, c in model.components.items()}
    encoders = sum(sizes[name] for name in model.encoders)
    return max(encoders, sum(sizes.values()) - encoders)


def test_every_family_makes_the_same_clip_where_others_have_to_leave_for_it(models: Path, tmp_path: Path) -> None:
    jobs = first_jobs(models)
    roomy = Engine(device=StillCpu(2**31), models=models, cache=tmp_path / "cache")
    expected = [frames(roomy, job, tmp_path / "clip") for job in jobs]
    budget_bytes = max(needed_bytes(roomy, job) for job in jobs)
    assert budget_bytes < roomy.status().used_bytes / 2

    tight = Engine(device=StillCpu(budget_bytes), models=models, cache=tmp_path / "cache")
    for _ in range(2):
        for job, clip in zip(jobs, expected, strict=True):
            assert np.array_equal(frames(tight, job, tmp_path / "clip"), clip), job.model.family
            status = tight.status()
            assert status.used_bytes <= budget_bytes
            assert not any(r.leases for r in status.residents)
    assert tight.status().counters["evictions"] > len(jobs)
