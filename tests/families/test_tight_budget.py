"""Every family on a device that holds no more than the larger of its stages: encoding, or all that follows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Engine
from gpu_worker.families import FAMILIES
from tests.engine.jobs import frames_of, render
from tests.engine.tight_engines import StillCpu
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, loaded


def frames(engine: Engine, job: RenderJob, folder: Path) -> npt.NDArray[np.uint8]:
    inputs = {role: loaded(role) for role in FAMILIES[job.model.family].modes[job.mode].needs}
    return frames_of(render(engine, job, folder, inputs=inputs).clip)


def needed_bytes(engine: Engine, job: RenderJob) -> int:
    """What the larger stage of ``job`` holds at once: each kind of encoder leaves before the next one comes."""
    model = engine._library.open(job.model)
    sizes = {name: engine._residency.size_bytes(c) for name, c in model.components.items()}
    kinds = [
        [n for n in model.encoders if n.startswith(kind)] for kind in ("text_encoder", "image_encoder", "connectors")
    ]
    rest = [name for name in sizes if name not in model.encoders]
    return max(sum(sizes[name] for name in held) for held in (*kinds, rest))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_makes_the_same_clip_where_only_its_larger_stage_fits(
    family: str, engine: Engine, models: Path, tmp_path: Path
) -> None:
    mode = next(iter(FAMILIES[family].modes))
    job = job_for(family, mode, checkpoint_for(family, mode, models))
    expected = frames(engine, job, tmp_path / "clip")
    budget_bytes = needed_bytes(engine, job)
    tight = Engine(device=StillCpu(budget_bytes), models=models, cache=tmp_path / "cache")
    tight._residency.records.update(engine._residency.records)  # as measured by the process before it on this host
    for number in range(2):
        other = dataclasses.replace(job, prompt=f"other {number}")  # so that the encoder has to come back
        frames(tight, other, tmp_path / "clip")
        assert np.array_equal(frames(tight, job, tmp_path / "clip"), expected)
        assert tight.status().used_bytes <= budget_bytes
        assert not any(r.leases for r in tight.status().residents)
    assert tight.status().counters["evictions"] > 2
