"""LTX-Video: 2B, 13B and their distilled versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.builds import Activations, Build, VaeActivations
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit, last_frames

MOST_CONTEXT_FRAMES = 25
FROM_0_9_1 = {"decode_timestep": 0.05, "decode_noise_scale": 0.025}
"""The decoder of 0.9.1 and later ends the denoising itself; the first one takes no notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What the clip has to show at one point: the attributes of diffusers' ``LTXVideoCondition``.

    The pipeline's own ``image=[first, last]`` keeps only the first of the two, without a word.
    """

    image: Any = None
    video: Any = None
    frame_index: int = 0
    strength: float = 1.0


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
    picture = fit(inputs["image"], job)
    given = {"conditions": [Condition(image=picture)]} if "timesteps" in job.call else {"image": picture}
    return {**_text(job, inputs), **given}


def _frames(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    first = Condition(image=fit(inputs["image"], job))
    last = Condition(image=fit(inputs["last_image"], job), frame_index=job.num_frames - 1)
    return {**_text(job, inputs), "conditions": [first, last]}


def _extend(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    context = last_frames(inputs["video"], job, most=MOST_CONTEXT_FRAMES, step=8)
    return {**_text(job, inputs), "conditions": [Condition(video=context)]}


VAE = VaeActivations(
    decoding=Activations(per_voxel=100),
    tiled_decoding=Activations(per_voxel=70),
    frames_per_part=96,
    encoding=Activations(per_voxel=82),
)

FAMILY = Family(
    name="ltx",
    title="LTX-Video",
    modes={
        "text": Mode(
            title="Text to video", pipeline="LTXPipeline", scheduled_pipeline="LTXConditionPipeline", arguments=_text
        ),
        "image": Mode(
            title="Image to video",
            pipeline="LTXImageToVideoPipeline",
            scheduled_pipeline="LTXConditionPipeline",
            needs=("image",),
            arguments=_image,
        ),
        "frames": Mode(
            title="First and last frame",
            pipeline="LTXConditionPipeline",
            call=("image_cond_noise_scale", "denoise_strength"),
            needs=("image", "last_image"),
            arguments=_frames,
        ),
        "extend": Mode(
            title="Continue a clip",
            pipeline="LTXConditionPipeline",
            call=("image_cond_noise_scale", "denoise_strength"),
            needs=("video",),
            arguments=_extend,
            context_frames=MOST_CONTEXT_FRAMES,
            context_step=8,
            reads_last_frames=MOST_CONTEXT_FRAMES,
        ),
    },
    sharing="sequence",
    size_multiple=32,
    sizes=("768x512", "512x768", "512x512", "1216x704", "704x1216"),
    frames=FrameRule(step=8, offset=1, least=9, most=1441),
    fps=24,
    components=("text_encoder", "transformer", "vae"),
    quantised_text_fraction=0.972,
    builds=(
        Build(
            transformer_bytes=3_850_000_000,
            quantised_fraction=0.999,
            swapped_fraction=0.092,
            denoising=Activations(per_voxel=8.1, per_pixel=58),
            vae=VAE,
        ),
        Build(
            transformer_bytes=26_090_000_000,
            quantised_fraction=0.9995,
            swapped_fraction=0.053,
            denoising=Activations(per_voxel=16.1, per_pixel=108),
            vae=VAE,
        ),
    ),
    shared={"text_encoder": "T5 v1.1-XXL"},
    max_seconds=60,
    batched_guidance=("guidance_scale",),
    prompt_tokens=256,
    call=(
        "guidance_scale",
        "guidance_rescale",
        "timesteps",
        "decode_timestep",
        "decode_noise_scale",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 12, "guidance_scale": 3.0, **FROM_0_9_1},
        "standard": {"steps": 30, "guidance_scale": 3.0, **FROM_0_9_1},
        "final": {"steps": 50, "guidance_scale": 3.0, **FROM_0_9_1},
        "distilled": {  # LTX's pipelines for text and one picture refuse timesteps, though they list them
            "steps": 8,
            "timesteps": [1000, 993, 987, 981, 975, 909, 725, 0.03],
            "guidance_scale": 1.0,
            **FROM_0_9_1,
        },
    },
)
