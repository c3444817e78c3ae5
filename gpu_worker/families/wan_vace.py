"""Wan VACE: clips steered by a control video, a mask, reference pictures, or the end of another clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families import wan
from gpu_worker.families.builds import Activations, Build
from gpu_worker.families.family import Family, Mode
from gpu_worker.families.pictures import blank, fit, fitted_mask, fitted_video, last_frames, plain_mask
from gpu_worker.families.wan import FRAMES, SHARED, text_arguments

MOST_CONTEXT_FRAMES = 17
REFERENCES = ("reference_image", "reference_image_2", "reference_image_3")


def _with_references(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    pictures = [fit(inputs[role], job) for role in REFERENCES if role in inputs]
    return {**text_arguments(job, inputs), **({"reference_images": pictures} if pictures else {})}


def _control(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_with_references(job, inputs), "video": fitted_video(inputs["control_video"], job)}


def _inpaint(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_with_references(job, inputs),
        "video": fitted_video(inputs["video"], job),
        "mask": fitted_mask(inputs["mask"], job),
    }


def _extend(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    context = last_frames(inputs["video"], job, most=MOST_CONTEXT_FRAMES, step=4)
    return {
        **_with_references(job, inputs),
        "video": context + blank(job, job.num_frames - len(context)),
        "mask": plain_mask(job, kept=len(context)),
    }


FAMILY = Family(
    name="wan_vace",
    title="Wan VACE",
    modes={
        "text": Mode(
            title="Text to video", pipeline="WanVACEPipeline", arguments=text_arguments, encodes_whole_clip=True
        ),
        "reference": Mode(
            title="Reference pictures",
            pipeline="WanVACEPipeline",
            needs=REFERENCES[:1],
            accepts=REFERENCES[1:],
            arguments=_with_references,
            encodes_whole_clip=True,
        ),
        "control": Mode(
            title="Pose, depth or line control",
            pipeline="WanVACEPipeline",
            needs=("control_video",),
            accepts=REFERENCES,
            arguments=_control,
            encodes_whole_clip=True,
        ),
        "inpaint": Mode(
            title="Replace part of a clip",
            pipeline="WanVACEPipeline",
            needs=("video", "mask"),
            accepts=REFERENCES,
            arguments=_inpaint,
            encodes_whole_clip=True,
        ),
        "extend": Mode(
            title="Continue a clip",
            pipeline="WanVACEPipeline",
            needs=("video",),
            accepts=REFERENCES,
            arguments=_extend,
            encodes_whole_clip=True,
            context_frames=MOST_CONTEXT_FRAMES,
            context_step=4,
            reads_last_frames=MOST_CONTEXT_FRAMES,
        ),
    },
    size_multiple=16,
    sizes=("832x480", "480x832"),
    frames=FRAMES,
    fps=16,
    components=("text_encoder", "transformer", "transformer_2", "vae"),
    repeated_guidance=("guidance_scale",),
    quantised_text_fraction=0.815,
    builds=(
        Build(
            transformer_bytes=4_310_000_000,
            quantised_fraction=0.987,
            swapped_fraction=0.06,
            denoising=Activations(per_voxel=96, per_pixel=295),
            vae=wan.VAE,
        ),
        Build(
            transformer_bytes=34_680_000_000,
            quantised_fraction=0.986,
            swapped_fraction=0.06,
            denoising=Activations(per_voxel=200.9, per_pixel=648),
            vae=wan.VAE,
        ),
    ),
    fuses_qkv=True,
    caches=("taylorseer_cache",),  # the others pass over blocks, between which it adds what controls the clip
    shared=SHARED,
    call=(
        "guidance_scale",
        "guidance_scale_2",
        "conditioning_scale",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 20, "guidance_scale": 5.0},
        "standard": {"steps": 40, "guidance_scale": 5.0},
        "final": {"steps": 50, "guidance_scale": 5.0},
    },
)
