"""Helios Mid and Distilled: each chunk from coarse to fine, at a quarter, half and all of its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families import helios
from gpu_worker.families.family import Family, Mode

SCALES = 3


def _text(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return _in_scales(helios.text_arguments(job, inputs))


def _image(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return _in_scales(helios.image_arguments(job, inputs))


def _extend(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return _in_scales(helios.extend_arguments(job, inputs))


def _steps_total(job: RenderJob) -> int:
    """The pipeline counts those of one scale. ``is_amplify_first_chunk`` gives the first chunk twice as many."""
    chunks = helios.FAMILY.passes(job.num_frames) + bool(job.call.get("is_amplify_first_chunk"))
    return max(job.steps, SCALES) * chunks


def _in_scales(arguments: dict[str, Any]) -> dict[str, Any]:
    """The steps shared out among the scales, the coarse ones first; each gets one at least."""
    steps = max(arguments.pop("num_inference_steps"), SCALES)
    shares = [(steps + SCALES - 1 - scale) // SCALES for scale in range(SCALES)]
    return {**arguments, "pyramid_num_inference_steps_list": shares}


FAMILY = Family(
    name="helios_pyramid",
    title="Helios, coarse to fine",
    modes={
        "text": Mode(title="Text to video", pipeline="HeliosPyramidPipeline", arguments=_text),
        "image": Mode(title="Image to video", pipeline="HeliosPyramidPipeline", needs=("image",), arguments=_image),
        "extend": Mode(
            title="Continue a clip",
            pipeline="HeliosPyramidPipeline",
            needs=("video",),
            arguments=_extend,
            reads_last_frames=helios.CHUNK_FRAMES,
        ),
    },
    size_multiple=64,  # a quarter of a size is to be in whole patches still
    sizes=helios.FAMILY.sizes,
    frames=helios.FAMILY.frames,
    frames_per_pass=helios.CHUNK_FRAMES,
    is_decoded_by_pass=True,
    steps_total=_steps_total,
    fps=24,
    components=helios.FAMILY.components,
    repeated_guidance=("guidance_scale",),
    quantised_text_fraction=0.815,
    builds=helios.FAMILY.builds,
    fuses_qkv=True,
    caches=(),  # what a cache keeps of one scale does not fit the next
    shared=helios.FAMILY.shared,
    max_seconds=60,
    call=("guidance_scale", "use_zero_init", "zero_steps", "is_amplify_first_chunk", "max_sequence_length"),
    presets={
        "draft": {"steps": 6, "guidance_scale": 1.0, "is_amplify_first_chunk": True},  # Distilled
        "standard": {"steps": 30, "guidance_scale": 5.0},  # Mid
    },
)
