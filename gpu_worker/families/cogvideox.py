"""CogVideoX (2B, 5B, 1.5) and its Fun-Control checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.builds import Activations, Build, VaeActivations
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit, fitted_video


def text_arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"num_frames": job.num_frames, **_size_and_steps(job)}


def _image(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"image": fit(inputs["image"], job), **text_arguments(job, inputs)}


def _restyle(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """As many frames come out as go in. ``strength`` says how far from them, and how many of the steps are run."""
    return {"video": fitted_video(inputs["video"], job), **_size_and_steps(job)}


def _control(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"control_video": fitted_video(inputs["control_video"], job), **_size_and_steps(job)}


def _size_and_steps(job: RenderJob) -> dict[str, Any]:
    return {"width": job.width, "height": job.height, "num_inference_steps": job.steps, **job.call}


VAE = VaeActivations(
    decoding=Activations(per_pixel=45_800),
    tiled_decoding=Activations(per_pixel=12_000),
    encoding=Activations(per_pixel=19_100),
)

FAMILY = Family(
    name="cogvideox",
    title="CogVideoX",
    modes={
        "text": Mode(title="Text to video", pipeline="CogVideoXPipeline", arguments=text_arguments),
        "image": Mode(
            title="Image to video", pipeline="CogVideoXImageToVideoPipeline", needs=("image",), arguments=_image
        ),
        "restyle": Mode(
            title="Video to video",
            pipeline="CogVideoXVideoToVideoPipeline",
            needs=("video",),
            call=("strength",),
            arguments=_restyle,
            encodes_whole_clip=True,
        ),
        "control": Mode(
            title="Pose or line control",
            pipeline="CogVideoXFunControlPipeline",
            needs=("control_video",),
            arguments=_control,
            encodes_whole_clip=True,
        ),
    },
    sharing="guidance",
    size_multiple=16,
    caches=("first_block_cache", "mag_cache", "taylorseer_cache"),  # SeaCache is for models of straight flow
    sizes=("720x480",),
    frames=FrameRule(step=8, offset=1, least=9, most=161),
    fps=8,
    components=("text_encoder", "transformer", "vae"),
    quantised_text_fraction=0.972,
    builds=(  # 2B, 5B, 1.5: the last two differ by a thousandth in size, and by two in what they compute at once
        Build(
            transformer_bytes=3_390_000_000,
            quantised_fraction=0.784,
            swapped_fraction=0.092,
            denoising=Activations(per_voxel=44.9, per_pixel=169),
            vae=VAE,
        ),
        Build(
            transformer_bytes=11_140_700_000,
            quantised_fraction=0.854,
            swapped_fraction=0.051,
            denoising=Activations(per_voxel=78.5, per_pixel=260),
            vae=VAE,
        ),
        Build(
            transformer_bytes=11_141_352_704,
            quantised_fraction=0.854,
            swapped_fraction=0.051,
            denoising=Activations(per_voxel=39.2, per_pixel=284),
            vae=VAE,
        ),
    ),
    fuses_qkv=True,
    shared={"text_encoder": "T5 v1.1-XXL"},
    batched_guidance=("guidance_scale",),
    prompt_tokens=226,
    call=(
        "guidance_scale",
        "use_dynamic_cfg",
        "eta",
        "timesteps",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 20, "guidance_scale": 6.0},
        "standard": {"steps": 50, "guidance_scale": 6.0},
    },
)
