"""Clips to be made twice from one seed, and a process of its own that makes them.

Each render begins with PyTorch's own generators at a place of their own: what is drawn from them differs, and so does
the clip. ``python -m tests.families.seeds MODELS NAME…`` prints the SHA-256 of each clip's MP4, as JSON.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Cpu, Engine
from gpu_worker.families import FAMILIES
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, render
from tests.families.tiny_calls import TINY_CALLS

SCHEDULES = ("sigmas", "timesteps")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One thing to render: a family's mode and preset, or a checkpoint that differs in its scheduler."""

    family: str
    mode: str
    call: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 2
    num_frames: int | None = None
    scheduler: str = ""
    """Class of the scheduler, where it is another than the tiny checkpoint's own."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What to change in that scheduler's settings."""
    pipeline: Mapping[str, Any] = field(default_factory=dict)
    """What to change in the pipeline's."""

    def job(self, models: Path) -> RenderJob:
        own = checkpoint_for(self.family, self.mode, models)
        job = job_for(self.family, self.mode, own)
        source = self._changed(models, own) if self.scheduler or self.settings or self.pipeline else own
        if self.num_frames is not None:
            job = replace(job, width=16, height=16, num_frames=self.num_frames)
        return replace(
            job,
            model=replace(job.model, source=source),
            steps=self.steps,
            call={**self.call, **TINY_CALLS.get(own, {})},
        )

    def _changed(self, models: Path, own: str) -> str:
        name = f"{own}-{self.scheduler}-{'-'.join([*self.settings, *self.pipeline])}"
        folder = models / name
        if not folder.exists():
            shutil.copytree(models / own, folder)
            if self.scheduler:
                _edit(folder / "model_index.json", scheduler=["diffusers", self.scheduler])
                _edit(folder / "scheduler" / "scheduler_config.json", _class_name=self.scheduler)
            _edit(folder / "scheduler" / "scheduler_config.json", **self.settings)
            _edit(folder / "model_index.json", **self.pipeline)
        return name


def _edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _with_presets() -> dict[str, Clip]:
    clips = {}
    for family in FAMILIES.values():
        for mode in family.modes:
            for name, preset in family.presets.items():
                call = {key: value for key, value in preset.items() if key != "steps"}
                steps = preset["steps"] if any(key in call for key in SCHEDULES) else 2
                clips[f"{family.name}-{mode}-{name}"] = Clip(family=family.name, mode=mode, call=call, steps=steps)
    return clips


STRETCHES: Mapping[str, Any] = {"num_frames": 177, "call": {"addnoise_condition": 500}, "steps": 1}
DRAWN: Mapping[str, Clip] = {
    # Its step draws noise, from the generator that the pipeline hands on to whoever takes one.
    "cogvideox-dpm": Clip(family="cogvideox", mode="text", scheduler="CogVideoXDPMScheduler"),
    # The pipeline's own noise on what a stretch is reminded of.
    "skyreels-long": Clip(family="skyreels", mode="text", **STRETCHES),
    # A sampler that draws, and a pipeline that hands it nothing to draw from.
    "ltx-stochastic": Clip(family="ltx", mode="text", settings={"stochastic_sampling": True}),
    "helios-zero-star": Clip(
        family="helios_pyramid", mode="text", call={"guidance_scale": 5.0}, steps=6, pipeline={"is_cfg_zero_star": True}
    ),
    "helios-distilled": Clip(
        family="helios_pyramid",
        mode="text",
        call={"guidance_scale": 1.0, "is_amplify_first_chunk": True},
        steps=6,
        scheduler="HeliosDMDScheduler",
        pipeline={"is_distilled": True},
    ),
}
"""Renders in which more is drawn than the first noise."""
EVERY: Mapping[str, Clip] = {
    **_with_presets(),
    **DRAWN,
    "skyreels-long-image": Clip(family="skyreels", mode="image", **STRETCHES),
}
"""Every family in every mode and preset, and those."""


def digests(names: Iterable[str], models: Path) -> dict[str, str]:
    """SHA-256 of the MP4 of each clip, by its name, from generators that stand somewhere."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(device=Cpu(2**31), models=models, cache=Path(folder))
        return {name: _digest(engine, EVERY[name], models, Path(folder)) for name in names}


def _digest(engine: Engine, clip: Clip, models: Path, folder: Path) -> str:
    torch.seed()
    return render(engine, clip.job(models), folder).facts.sha256


def start_elsewhere(names: Iterable[str], models: Path) -> Callable[[], dict[str, str]]:
    """A process begins to render them, last first; what is returned waits for it and gives their digests."""
    command = [sys.executable, "-m", "tests.families.seeds", str(models), *reversed([*names])]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait() -> dict[str, str]:
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        return dict(json.loads(out.splitlines()[-1]))

    return wait


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.stdout.write(json.dumps(digests(sys.argv[2:], Path(sys.argv[1]))))
