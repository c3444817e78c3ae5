"""How near a clip is to the one that whole weights, and all of its steps, would have made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from gpu_worker.contract import RenderJob
from gpu_worker.engine.errors import EngineError, RenderStopped
from gpu_worker.engine.memory.devices import as_engine_errors
from gpu_worker.engine.memory.memory_needs import Room
from gpu_worker.engine.video.rendering import Rendering
from gpu_worker.engine.video.stages import StageClock
from gpu_worker.families.speed import without_caches

log = logging.getLogger(__name__)

NewRendering = Callable[[RenderJob, StageClock], Rendering]


def similarity(
    job: RenderJob, rendering: Rendering, room: Room, stages: StageClock, new_rendering: NewRendering
) -> float | None:
    """The least cosine of what smaller weights and skipped steps changed in ``rendering``; None where neither can be
    measured.

    Raises:
        RenderStopped: the clip is not wanted any more.
    """
    try:
        with as_engine_errors(room.residency.device):
            found = [
                rendering.first_calls.similarity(job.model, room),
                _similarity_without_cache(job, rendering, stages, new_rendering),
            ]
    except EngineError as problem:
        log.warning("What smaller weights or skipped steps change of %s is not measured: %s", job.model.slug, problem)
        return None
    return min((figure for figure in found if figure is not None), default=None)


def _similarity_without_cache(
    job: RenderJob, rendering: Rendering, stages: StageClock, new_rendering: NewRendering
) -> float | None:
    """Make the steps of ``job`` once more, none of them skipped; None where its row skips none."""
    speed = without_caches(job.model.speed)
    if speed == job.model.speed:
        return None

    def is_done() -> bool:
        stages.stop_if_asked()
        return clock.steps_done >= clock.steps_total

    clock = StageClock(steps_total=job.steps, on_progress=lambda _: None, should_stop=is_done)
    again = new_rendering(replace(job, model=replace(job.model, speed=speed)), clock)
    try:
        again.run()
    except RenderStopped:
        if clock.steps_done < clock.steps_total:
            raise
    return rendering.last_latents.similarity(again.last_latents)
