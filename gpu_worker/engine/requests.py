"""Checks of a job before anything is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine.errors import UnsupportedRequest
from gpu_worker.engine.video import eight_bit_products
from gpu_worker.engine.weights.quantisation import check_quantisation
from gpu_worker.families import Family, Mode, family
from gpu_worker.families.memory import quantisation_of
from gpu_worker.families.speed import EIGHT_BIT_PRODUCTS, problems, products_problem


def mode_of(job: RenderJob, inputs: Mapping[str, Any]) -> tuple[Family, Mode]:
    """The family and mode that ``job`` asks for, checked: pipelines round sizes and frame counts silently.

    Raises:
        UnsupportedRequest: naming what the family cannot make and what it could.
    """
    made_by = family_of(job.model)
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


def family_of(model: ModelSpec) -> Family:
    """The family that ``model`` names.

    Raises:
        UnsupportedRequest: there is none; the message lists those there are.
    """
    try:
        return family(model.family)
    except KeyError as unknown:
        raise UnsupportedRequest(str(unknown.args[0])) from None


def check_row(model: ModelSpec, device: torch.device) -> None:
    """
    Raises:
        UnsupportedRequest: the catalogue row asks for what does not exist, or contradicts itself.
        UnsupportedHere: this device or installation cannot do it.
    """
    if found := list(problems(model.speed, family_of(model))):
        raise UnsupportedRequest(" ".join(found))
    files = [source.file for source in model.components.values() if source.file]
    for name in (model.quantisation, *(s.quantisation for s in model.components.values() if s.quantisation)):
        check_quantisation(name, device)
    if files:
        check_quantisation("gguf", device)
    elif model.quantisation == "gguf":
        raise UnsupportedRequest("gguf needs a component that names its file: transformer: {source: …, file: ….gguf}")
    quantisation = quantisation_of("transformer", model.quantisation, model.components.get("transformer"))
    if problem := products_problem(model.speed, quantisation):
        raise UnsupportedRequest(problem)
    if EIGHT_BIT_PRODUCTS in model.speed:
        eight_bit_products.try_on(device, quantisation)
