"""What a render of a model needs by stage, in bytes, from everything that this host knows."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_worker.contract import RenderJob, Stage
from gpu_worker.engine.memory.headroom import Headroom
from gpu_worker.engine.memory.open_models import Library, OpenModel
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.requests import family_of
from gpu_worker.engine.video.prompts import PromptMemory
from gpu_worker.families.activations import Shape, Workload
from gpu_worker.families.memory import MemoryNeeds, memory_needs
from gpu_worker.families.speed import held_beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The parts of the engine that a render works with."""

    residency: Residency
    library: Library
    headroom: Headroom
    prompts: PromptMemory


def needs_of(job: RenderJob, model: OpenModel, room: Room) -> MemoryNeeds:
    """Bytes by part and stage: measured as far as anything was, declared and estimated for the rest."""
    return memory_needs(
        {name: room.residency.size_bytes(component) for name, component in model.components.items()},
        shape_of(job, model),
        weights={stage: _weights(model, stage) for stage in Stage},
        estimate=room.headroom.estimate,
        block_swap_bytes=lambda name, size: int(size * room.library.block_swap_share(model.components[name])),
        cache=held_beside(job.model.speed),
    )


def workload_of(stage: Stage, job: RenderJob, model: OpenModel, room: Room, *, is_tiled: bool = False) -> Workload:
    """What a figure of one stage of ``job`` is filed under."""
    return Workload.of(
        stage,
        shape_of(job, model),
        weights=_weights(model, stage),
        weights_bytes=sum(map(room.residency.size_bytes, model.parts_of(stage).values())),
        is_tiled=is_tiled,
        cache=held_beside(job.model.speed),
    )


def shape_of(job: RenderJob, model: OpenModel) -> Shape:
    """The clip of ``job`` as far as memory goes."""
    transformer = model.components.get("transformer")
    return Shape(
        family=family_of(job.model),
        width=job.width,
        height=job.height,
        num_frames=job.num_frames,
        transformer_bytes=transformer.whole_bytes if transformer is not None else 0,
        mode=job.mode,
        call=job.call,
    )


def _weights(model: OpenModel, stage: Stage) -> str:
    return ",".join(component.key for component in model.parts_of(stage).values())
