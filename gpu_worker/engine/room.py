"""What a render of a model needs by stage, in bytes, from everything that this host knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gpu_worker.contract import RenderJob, Stage
from gpu_worker.engine.components import Component
from gpu_worker.engine.headroom import Headroom, Occasion
from gpu_worker.engine.library import Library, OpenModel
from gpu_worker.engine.placement import Needs
from gpu_worker.engine.prompts import PromptMemory
from gpu_worker.engine.residency import Residency


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The parts of the engine that a render works with."""

    residency: Residency
    library: Library
    headroom: Headroom
    prompts: PromptMemory


def needs_of(job: RenderJob, model: OpenModel, room: Room, *, passes: int) -> Needs:
    """Bytes by part and stage: measured as far as anything was, declared and estimated for the rest."""

    def size_bytes(components: Iterable[Component]) -> int:
        return sum(map(room.residency.size_bytes, components))

    estimate = room.headroom.estimate
    return Needs(
        encoders_bytes=size_bytes(model.encoders.values()),
        denoisers_bytes=size_bytes(model.denoisers.values()),
        streamed_bytes=streamed_bytes(model.denoisers.values(), room),
        decoders_bytes=size_bytes(model.decoders.values()),
        encoding=estimate(occasion_of(Stage.ENCODING_PROMPT, job, model, room)),
        denoising=estimate(occasion_of(Stage.DENOISING, job, model, room)),
        decoding=estimate(occasion_of(Stage.DECODING, job, model, room)),
        tiled_decoding=estimate(occasion_of(Stage.DECODING, job, model, room, is_tiled=True)),
        is_decoded_between=passes > 1,
    )


def occasion_of(stage: Stage, job: RenderJob, model: OpenModel, room: Room, *, is_tiled: bool = False) -> Occasion:
    """What a head-room figure of one stage of ``job`` is filed under."""
    components = {
        Stage.ENCODING_PROMPT: model.encoders,
        Stage.DENOISING: model.denoisers,
        Stage.DECODING: model.decoders,
    }[stage]
    return Occasion.of(
        stage,
        job,
        ",".join(c.key for c in components.values()),
        weights_bytes=sum(map(room.residency.size_bytes, components.values())),
        is_tiled=is_tiled,
    )


def streamed_bytes(components: Iterable[Component], room: Room) -> int:
    """What of ``components`` is on the device at once while they are streamed."""
    return sum(int(room.residency.size_bytes(c) * room.library.streamed_share(c)) for c in components)
