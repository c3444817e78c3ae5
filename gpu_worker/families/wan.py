"""Wan 2.1 (1.3B, 14B) and Wan 2.2 A14B, whose two experts share the work at ``boundary_ratio``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.builds import Activations, Build, VaeActivations
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit

FRAMES = FrameRule(step=4, offset=1, least=5, most=161)
SHARED = {"text_encoder": "UMT5-XXL", "vae": "Wan 2.1 VAE"}


def text_arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """There is no frame rate among them: Wan's clips are what they are, and the file says how fast they play."""
    return {
        "width": job.width,
        "height": job.height,
        "num_frames": job.num_frames,
        "num_inference_steps": job.steps,
        **job.call,
    }


def image_arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**text_arguments(job, inputs), "image": fit(inputs["image"], job)}


def _frames(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**image_arguments(job, inputs), "last_image": fit(inputs["last_image"], job)}


TEXT = Mode(title="Text to video", pipeline="WanPipeline", arguments=text_arguments)
IMAGE = Mode(
    title="Image to video",
    pipeline="WanImageToVideoPipeline",
    needs=("image",),
    arguments=image_arguments,
    encodes_whole_clip=True,
)

VAE = VaeActivations(
    decoding=Activations(per_voxel=6.2, per_pixel=10_120),
    tiled_decoding=Activations(per_voxel=8.2, per_pixel=1_660),
    encoding=Activations(per_pixel=7_460),
)
"""Wan 2.1's VAE works through the frames in fours, so that what it takes hardly grows with their number."""

FAMILY = Family(
    name="wan",
    title="Wan",
    modes={
        "text": TEXT,
        "image": IMAGE,
        "frames": Mode(
            title="First and last frame",
            pipeline="WanImageToVideoPipeline",
            needs=("image", "last_image"),
            arguments=_frames,
            encodes_whole_clip=True,
        ),
    },
    sharing="sequence",
    size_multiple=16,
    sizes=("832x480", "480x832"),
    frames=FRAMES,
    fps=16,
    components=("text_encoder", "image_encoder", "transformer", "transformer_2", "vae"),
    repeated_guidance=("guidance_scale",),
    quantised_text_fraction=0.815,
    builds=(
        Build(
            transformer_bytes=2_840_000_000,
            quantised_fraction=0.981,
            swapped_fraction=0.084,
            denoising=Activations(per_voxel=48, per_pixel=150),
            vae=VAE,
        ),
        Build(
            transformer_bytes=28_580_000_000,
            quantised_fraction=0.983,
            swapped_fraction=0.066,
            denoising=Activations(per_voxel=111, per_pixel=373),
            vae=VAE,
        ),
        Build(
            transformer_bytes=32_790_000_000,
            quantised_fraction=0.985,
            swapped_fraction=0.064,
            denoising=Activations(per_voxel=111.1, per_pixel=381),
            vae=VAE,
        ),
    ),
    fuses_qkv=True,
    shared=SHARED,
    call=(
        "guidance_scale",
        "guidance_scale_2",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 20, "guidance_scale": 5.0},
        "standard": {"steps": 40, "guidance_scale": 5.0},
        "final": {"steps": 50, "guidance_scale": 5.0},
        "lightning": {"steps": 4, "guidance_scale": 1.0},  # with the lightx2v LoRAs of the row
    },
)
