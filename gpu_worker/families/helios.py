"""Helios: long clips, made and shown in chunks of 33 frames, each starting from what came before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families import wan
from gpu_worker.families.builds import Activations, Build
from gpu_worker.families.family import Family, FrameList, Mode
from gpu_worker.families.pictures import fit

CHUNK_FRAMES = 33
MOST_CHUNKS = 60
_LATENT_FRAMES = 4


def text_arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "width": job.width,
        "height": job.height,
        "num_frames": job.num_frames,
        "num_inference_steps": job.steps,
        **job.call,
    }


def image_arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**text_arguments(job, inputs), "image": fit(inputs["image"], job)}


def extend_arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline reads whole chunks, from the end of the video, and none of them comes out again."""
    frames = [fit(frame, job) for frame in inputs["video"][-CHUNK_FRAMES:]]
    standing_still = [frames[0]] * (CHUNK_FRAMES - len(frames))
    return {**text_arguments(job, inputs), "video": standing_still + frames}


def _frames_made(chunks: int) -> int:
    """A chunk is 33 frames; the end of the whole is cut to 4k + 1."""
    return (CHUNK_FRAMES * chunks - 1) // _LATENT_FRAMES * _LATENT_FRAMES + 1


FAMILY = Family(
    name="helios",
    title="Helios",
    modes={
        "text": Mode(title="Text to video", pipeline="HeliosPipeline", arguments=text_arguments),
        "image": Mode(title="Image to video", pipeline="HeliosPipeline", needs=("image",), arguments=image_arguments),
        "extend": Mode(
            title="Continue a clip",
            pipeline="HeliosPipeline",
            needs=("video",),
            arguments=extend_arguments,
            reads_last_frames=CHUNK_FRAMES,
        ),
    },
    size_multiple=16,
    sizes=("640x384", "384x640"),
    frames=FrameList(counts=tuple(_frames_made(chunks) for chunks in range(1, MOST_CHUNKS + 1))),
    frames_per_pass=CHUNK_FRAMES,
    is_decoded_by_pass=True,
    fps=24,
    components=("text_encoder", "transformer", "vae"),
    repeated_guidance=("guidance_scale",),
    quantised_text_fraction=0.815,
    builds=(
        Build(
            transformer_bytes=28_620_000_000,
            quantised_fraction=0.982,
            swapped_fraction=0.067,
            denoising=Activations(per_voxel=452),
            vae=wan.VAE,
        ),
    ),
    fuses_qkv=True,
    caches=("taylorseer_cache",),
    shared={"text_encoder": "UMT5-XXL", "vae": "Wan 2.1 VAE"},
    max_seconds=60,
    call=(
        "guidance_scale",
        "sigmas",
        "max_sequence_length",
    ),
    presets={
        "draft": {"steps": 20, "guidance_scale": 5.0},
        "standard": {"steps": 50, "guidance_scale": 5.0},
    },
)
