"""Checks of a job before anything is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.engine.errors import UnsupportedRequest
from gpu_worker.families import Family, Mode, family


def mode_of(job: RenderJob, inputs: Mapping[str, Any]) -> tuple[Family, Mode]:
    """The family and mode that ``job`` asks for, checked: pipelines round sizes and frame counts silently.

    Raises:
        UnsupportedRequest: naming what the family cannot make and what it could.
    """
    try:
        made_by = family(job.model.family)
    except KeyError as unknown:
        raise UnsupportedRequest(str(unknown.args[0])) from None
    mode = made_by.modes.get(job.mode)
    if mode is None:
        raise UnsupportedRequest(f"{made_by.title} has no mode {job.mode!r}; there are: {', '.join(made_by.modes)}")
    missing = [role for role in mode.needs if role not in inputs]
    if missing:
        raise UnsupportedRequest(f"{mode.title} needs {' and '.join(missing)}")
    problem = made_by.size_problem(job.width, job.height)
    if problem:
        raise UnsupportedRequest(problem)
    if not made_by.frames.allows(job.num_frames):
        nearest = made_by.frames.nearest(job.num_frames)
        raise UnsupportedRequest(f"{made_by.title} cannot make {job.num_frames} frames; {nearest} is the nearest count")
    if job.steps < 1 or job.upscale < 1 or job.fps <= 0:
        raise UnsupportedRequest("steps, upscale and fps have to be positive")
    return made_by, mode
