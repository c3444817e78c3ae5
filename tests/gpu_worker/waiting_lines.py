"""Lines of waiting jobs, the choice among them, and what a pop makes of them, as plain functions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from gpu_worker.contract import ModelSpec
from gpu_worker.job_choice import Bounds, Waiting, choose
from tests.gpu_worker.conftest import make_job

JOB = make_job(Path("/tmp"))


def waiting(
    name: str, slug: str = "red", *, skips: int = 0, waited_seconds: float = 0.0, yields: bool = False
) -> Waiting:
    model = ModelSpec(slug=slug, version=1, family="ltx", source=slug)
    return Waiting(name, replace(JOB, model=model, yields=yields), waited_seconds, skips)


def pick(
    line: list[Waiting],
    *,
    resident: dict[str, float] | None = None,
    too_large: Collection[str] = (),
    bounds: Bounds | None = None,
    service_seconds: float = 10.0,
) -> str | None:
    choice = choose(
        line,
        bounds or Bounds(),
        can_hold=lambda w: w.job is None or w.job.model.slug not in too_large,
        loading_seconds=lambda job: 10.0 - (resident or {}).get(job.model.slug, 0.0),
        service_seconds=lambda job: service_seconds,
    )
    return choice.taken.job_id if choice.taken else None


SLUGS = st.sampled_from(["red", "blue", "green", "huge"])
"""``huge`` is a model that the card cannot hold."""


def after(line: list[Waiting], taken: str) -> list[Waiting]:
    """What the pop makes of the line: the model that ``_TAKE`` is held against."""
    place = [w.job_id for w in line].index(taken)
    overtaken = [
        replace(w, skips=w.skips + 1) if w.job is not None and w.job.model.slug != "huge" else w for w in line[:place]
    ]
    return overtaken + line[place + 1 :]
