"""Every family on a device that holds no more than the larger of its stages: encoding, or all that follows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Engine
from gpu_worker.engine.video.clip import Frames
from gpu_worker.families import FAMILIES
from tests.engine.tight_engines import StillCpu
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, loaded


def frames(engine: Engine, job: RenderJob, folder: Path) -> Frames:
    """The frames as they leave the device: what H.264 makes of them is another test's."""
    inputs = {role: loaded(role) for role in FAMILIES[job.model.family].modes[job.mode].needs}
    made = engine.render_frames(
        job, inputs=inputs, folder=folder, on_progress=lambda _: None, should_stop=lambda: False
    )
    made.discard()
    return made.raw.frames


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
    family: str, engine: Engine, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gpu_worker.engine")
    mode = next(iter(FAMILIES[family].modes))
    job = job_for(family, mode, checkpoint_for(family, mode, models))
    expected = frames(engine, job, tmp_path)
    budget_bytes = needed_bytes(engine, job)
    tight = Engine(device=StillCpu(budget_bytes), models=models, cache=tmp_path / "cache")
    tight._residency.records.update(engine._residency.records)  # as measured by the process before it on this host
    other = dataclasses.replace(job, prompt="other")  # so that the encoder has to come back
    frames(tight, other, tmp_path)
    made = frames(tight, job, tmp_path)
    # Tiles, which change pixels, or memory that ran out would stand in the log.
    assert np.array_equal(made, expected), (np.abs(made.astype(int) - expected).max(), caplog.text)
    assert tight.status().used_bytes <= budget_bytes
    assert not any(r.leases for r in tight.status().residents)
    assert tight.status().counters["evictions"] > 2
