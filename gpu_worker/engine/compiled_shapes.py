"""Which clips a host has compiled blocks for, so that a fresh process compiles them again before anybody waits.

PyTorch keeps the kernels themselves; a new process still has to trace each shape and load its kernels, which takes
seconds, and without those that are kept minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine.errors import EngineError, RenderStopped
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.devices import Device, as_engine_errors
from gpu_worker.engine.memory.measurements import read_json, write_json
from gpu_worker.engine.video.rendering import Rendering
from gpu_worker.engine.video.stages import StageClock

log = logging.getLogger(__name__)

_SETTING = "compile_repeated_blocks"
_KEPT_SHAPES = 4
"""Of a row, those made last: each costs a step of a render."""
_KEPT_ROWS = 32
_SHAPE = ("mode", "width", "height", "num_frames", "fps", "steps", "call")
"""All of a job that the shapes inside its transformer follow from. Neither words nor seed, and nothing of a person."""

NewRendering = Callable[[RenderJob, StageClock, Mapping[str, Any]], Rendering]


class CompiledShapes:
    """Shapes by row, in a file that may be lost at any time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows: dict[str, list[dict[str, Any]]] = {
            row: shapes for row, shapes in read_json(file).items() if isinstance(shapes, list)
        }
        self._compiled_here: list[tuple[str, dict[str, Any]]] = []

    def note(self, job: RenderJob, inputs: Mapping[str, Any]) -> None:
        """This process has made a step of ``job``, by ``inputs`` as the engine has them."""
        if _SETTING not in job.model.speed or not all(isinstance(i, Image.Image | list) for i in inputs.values()):
            return
        given = {role: len(value) if isinstance(value, list) else 0 for role, value in inputs.items()}
        shape = {**{name: getattr(job, name) for name in _SHAPE}, "inputs": given}
        row = _row_of(job.model)
        if (row, shape) not in self._compiled_here:
            self._compiled_here.append((row, shape))
        shapes = self._rows.pop(row, [])
        others = [other for other in shapes if other != shape]
        self._rows[row] = [*others, shape][-_KEPT_SHAPES:]
        if shape not in shapes:
            self._rows = dict([*self._rows.items()][-_KEPT_ROWS:])
            try:
                write_json(self._file, self._rows)
            except OSError as problem:  # a full disk costs the next process a warm-up, and nobody a clip
                log.warning("%s is not written: %s", self._file, problem)

    def compile_missing(self, model: ModelSpec, device: Device, new_rendering: NewRendering) -> None:
        """Make one step of each that is missing, with which its blocks are compiled. What goes wrong costs the warm-up
        alone."""
        for job, inputs in self.missing(model):
            try:
                with as_engine_errors(device):
                    new_rendering(job, _one_step(job), inputs).run()
            except RenderStopped:
                self.note(job, inputs)
                log_event(log, "blocks compiled", size=f"{job.width}x{job.height}", frames=job.num_frames)
            except EngineError as problem:
                log.warning("Blocks of %s are not compiled in advance: %s", job.model.slug, problem)

    def missing(self, model: ModelSpec) -> Iterator[tuple[RenderJob, dict[str, Any]]]:
        """A job of each shape of ``model`` that was compiled on this host and not yet by this process, newest first,
        with inputs that show nothing."""
        row = _row_of(model)
        for shape in reversed(self._rows.get(row, []) if _SETTING in model.speed else []):
            if (row, shape) in self._compiled_here:
                continue
            try:
                values = dict(shape)
                given = values.pop("inputs")
                job = RenderJob(
                    generation_id="warm-up",
                    attempt=1,
                    model=model,
                    prompt="grey",
                    seed=0,
                    outputs={},
                    timeout_seconds=0,
                    **values,
                )
                picture = Image.new("RGB", (job.width, job.height), "grey")
                yield job, {role: [picture] * count if count else picture for role, count in given.items()}
            except (AttributeError, KeyError, TypeError, ValueError):
                continue  # of another release


def _one_step(job: RenderJob) -> StageClock:
    """The clock of a render of ``job`` that is stopped once it has made a step."""
    stages = StageClock(steps_total=job.steps, on_progress=lambda _: None, should_stop=lambda: stages.steps_done > 0)
    return stages


def _row_of(model: ModelSpec) -> str:
    return f"{model.slug}:{model.version}"
