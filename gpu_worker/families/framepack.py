"""FramePack: HunyuanVideo from a picture to a long clip, one section of 36 frames after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families import hunyuan
from gpu_worker.families.builds import Activations, Build
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit

SECTION_FRAMES = 36
MOST_SECTIONS = 50
_WINDOW_FRAMES = 33
"""The pipeline divides what it is asked for by this to get its sections, and then makes ``36 · sections + 1``."""


def _image(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "image": fit(inputs["image"], job),
        "width": job.width,
        "height": job.height,
        "num_frames": job.num_frames // SECTION_FRAMES * _WINDOW_FRAMES,
        "num_inference_steps": job.steps,
        **job.call,
    }


def _frames(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_image(job, inputs), "last_image": fit(inputs["last_image"], job)}


FAMILY = Family(
    name="framepack",
    title="FramePack",
    modes={
        "image": Mode(
            title="Image to video", pipeline="HunyuanVideoFramepackPipeline", needs=("image",), arguments=_image
        ),
        "frames": Mode(
            title="First and last frame",
            pipeline="HunyuanVideoFramepackPipeline",
            needs=("image", "last_image"),
            arguments=_frames,
        ),
    },
    size_multiple=16,
    sizes=("640x640", "832x480", "480x832"),
    frames=FrameRule(step=SECTION_FRAMES, offset=1, least=37, most=SECTION_FRAMES * MOST_SECTIONS + 1),
    frames_per_pass=SECTION_FRAMES,
    is_decoded_by_pass=True,
    fps=30,
    caches=("mag_cache",),  # its pipeline does not say which call of the transformer is which
    components=("text_encoder", "text_encoder_2", "image_encoder", "transformer", "vae"),
    quantised_text_fraction=0.93,
    builds=(
        Build(
            transformer_bytes=25_750_000_000,
            quantised_fraction=0.709,
            swapped_fraction=0.085,
            denoising=Activations(per_voxel=140, per_pixel=470),
            vae=hunyuan.VAE,
        ),
    ),
    shared={"text_encoder": "Llama 3 8B", "text_encoder_2": "CLIP-L", "vae": "HunyuanVideo VAE"},
    max_seconds=60,
    prompt_tokens=hunyuan.FAMILY.prompt_tokens,
    prompt_marks=hunyuan.FAMILY.prompt_marks,
    call=(
        "guidance_scale",
        "true_cfg_scale",
        "sigmas",
        "prompt_template",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 15, "guidance_scale": 9.0},
        "standard": {"steps": 25, "guidance_scale": 9.0},
        "final": {"steps": 30, "guidance_scale": 9.0},
    },
)
