"""LTX-2, 2.3, 2.5 and what comes after them with the same pipelines: video and sound in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.builds import Activations, Build, VaeActivations
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit, last_frames

MOST_CONTEXT_FRAMES = 25
DISTILLED_SIGMAS = [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875]
# All guidance off. With the pipeline's defaults for the last four the transformer runs three times for each step.
ONE_PASS = {
    "guidance_scale": 1.0,
    "audio_guidance_scale": 1.0,
    "stg_scale": 0.0,
    "audio_stg_scale": 0.0,
    "modality_scale": 1.0,
    "audio_modality_scale": 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What the clip has to show from one frame on: the attributes of diffusers' ``LTX2VideoCondition``."""

    frames: Any
    index: int = 0
    strength: float = 1.0
    crf: int | None = None


def _text(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "width": job.width,
        "height": job.height,
        "num_frames": job.num_frames,
        "frame_rate": job.fps,
        "num_inference_steps": job.steps,
        **job.call,
    }


def _image(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_text(job, inputs), "image": fit(inputs["image"], job)}


def _frames(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    first = Condition(frames=fit(inputs["image"], job))
    last = Condition(frames=fit(inputs["last_image"], job), index=-1)
    return {**_text(job, inputs), "conditions": [first, last]}


def _extend(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    context = last_frames(inputs["video"], job, most=MOST_CONTEXT_FRAMES, step=8)
    return {**_text(job, inputs), "conditions": [Condition(frames=context)]}


VAE = VaeActivations(
    decoding=Activations(per_voxel=86),
    tiled_decoding=Activations(per_voxel=60),
    frames_per_part=96,
    encoding=Activations(per_voxel=82),
)
VAE_2_3 = VaeActivations(
    decoding=Activations(per_voxel=73),
    tiled_decoding=Activations(per_voxel=52),
    frames_per_part=96,
    encoding=Activations(per_voxel=82),
)

FAMILY = Family(
    name="ltx2",
    title="LTX-2",
    modes={
        "text": Mode(title="Text to video", pipeline="LTX2Pipeline", arguments=_text),
        "image": Mode(title="Image to video", pipeline="LTX2ImageToVideoPipeline", needs=("image",), arguments=_image),
        "frames": Mode(
            title="First and last frame",
            pipeline="LTX2ConditionPipeline",
            needs=("image", "last_image"),
            arguments=_frames,
        ),
        "extend": Mode(
            title="Continue a clip",
            pipeline="LTX2ConditionPipeline",
            needs=("video",),
            arguments=_extend,
            context_frames=MOST_CONTEXT_FRAMES,
            context_step=8,
            reads_last_frames=MOST_CONTEXT_FRAMES,
        ),
    },
    sharing="sequence",
    size_multiple=32,
    sizes=("768x512", "512x768", "1280x704", "704x1280", "1920x1088"),
    frames=FrameRule(step=8, offset=1, least=9, most=481),
    fps=24,
    components=("text_encoder", "connectors", "transformer", "vae", "audio_vae", "vocoder"),
    quantised_text_fraction=0.914,
    builds=(
        Build(
            transformer_bytes=37_750_000_000,
            quantised_fraction=0.9995,
            swapped_fraction=0.059,
            denoising=Activations(per_voxel=21, per_pixel=215),
            vae=VAE,
        ),
        Build(
            transformer_bytes=37_980_000_000,
            quantised_fraction=0.999,
            swapped_fraction=0.063,
            denoising=Activations(per_voxel=18, per_pixel=190),
            vae=VAE_2_3,
        ),
    ),
    shared={"text_encoder": "Gemma 3 12B (LTX-2 and 2.3; 2.5 has its own)"},
    has_audio=True,
    caches=("taylorseer_cache",),
    max_seconds=20,
    repeated_guidance=("stg_scale", "modality_scale"),
    batched_guidance=("guidance_scale", "audio_guidance_scale"),
    prompt_tokens=1_024,
    call=(
        "guidance_scale",
        "guidance_rescale",
        "stg_scale",
        "modality_scale",
        "audio_guidance_scale",
        "audio_guidance_rescale",
        "audio_stg_scale",
        "audio_modality_scale",
        "spatio_temporal_guidance_blocks",
        "sigmas",
        "timesteps",
        "motion_speed",
        "noise_scale",
        "decode_timestep",
        "decode_noise_scale",
        "use_cross_timestep",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 8, "sigmas": DISTILLED_SIGMAS, **ONE_PASS},
        "standard": {"steps": 30, "guidance_scale": 3.0},
        "final": {"steps": 40, "guidance_scale": 3.0},
    },
)
