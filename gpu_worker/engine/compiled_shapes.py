"""Which clips a host has compiled blocks for, so that a fresh process compiles them again before anybody waits.

PyTorch keeps the kernels themselves; a new process still has to trace each shape and load its kernels, which takes
seconds, and without those that are kept minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine.memory.measurements import read_json, write_json

log = logging.getLogger(__name__)

_SETTING = "compile_repeated_blocks"
_KEPT_SHAPES = 4
"""Of a row, those made last: each costs a step of a render."""
_KEPT_ROWS = 32
_SHAPE = ("mode", "width", "height", "num_frames", "fps", "steps", "call")
"""All of a job that the shapes inside its transformer follow from. Neither words nor seed, and nothing of a person."""


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


def _row_of(model: ModelSpec) -> str:
    return f"{model.slug}:{model.version}"
