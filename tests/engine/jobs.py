"""Jobs and listeners for engine tests, as plain functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from gpu_worker.contract import ModelSpec, Progress, RenderJob
from gpu_worker.engine import Engine, RenderedClip


def model_spec(family: str = "ltx", **changes: Any) -> ModelSpec:
    values: dict[str, Any] = {
        "slug": family,
        "version": 1,
        "family": family,
        "source": family,
        "dtype": "float32",
        **changes,
    }
    return ModelSpec(**values)


def render_job(family: str = "ltx", **changes: Any) -> RenderJob:
    values: dict[str, Any] = {
        "generation_id": "g",
        "attempt": 1,
        "model": model_spec(family),
        "mode": "text",
        "prompt": "a red fox runs in snow",
        "seed": 1,
        "width": 64,
        "height": 64,
        "num_frames": 9,
        "fps": 24,
        "steps": 3,
        "outputs": {},
        "timeout_seconds": 60,
        **changes,
    }
    return RenderJob(**values)


@dataclass
class Listener:
    """Keeps the progress of one render, and asks it to stop after some steps."""

    stop_after_steps: int | None = None
    entries: list[Progress] = field(default_factory=list)

    def __call__(self, progress: Progress) -> None:
        self.entries.append(progress)

    def should_stop(self) -> bool:
        steps = sum(1 for entry in self.entries if entry.kind == "step")
        return self.stop_after_steps is not None and steps >= self.stop_after_steps

    def of(self, kind: str) -> list[Progress]:
        return [entry for entry in self.entries if entry.kind == kind]

    @property
    def stages(self) -> list[str]:
        return [entry.stage for entry in self.of("stage")]


def render(
    engine: Engine,
    job: RenderJob,
    folder: Path,
    *,
    inputs: dict[str, Any] | None = None,
    listener: Listener | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> RenderedClip:
    listener = listener or Listener()
    folder.mkdir(parents=True, exist_ok=True)
    return engine.render(
        job,
        inputs=inputs or {},
        folder=folder,
        on_progress=listener,
        should_stop=should_stop or listener.should_stop,
    )


def frames_of(clip: Path) -> npt.NDArray[np.uint8]:
    """``(frames, height, width, 3)`` as a player shows them."""
    with av.open(str(clip)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
