"""SkyReels-V2 Diffusion Forcing: Wan's parts, and clips as long as one likes, each stretch held by the end of the last.

Its pipeline for going on from a video gives that video back in front of the new one, with the frames between them
twice; it is not served. Helios goes on from clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families import wan
from gpu_worker.families.builds import Activations, Build
from gpu_worker.families.family import Family, FrameList, Mode
from gpu_worker.families.pictures import fit

STRETCH_FRAMES = 97
OVERLAP_FRAMES = 17
MOST_SECONDS = 60
_LATENT_FRAMES = 4
_NEW_FRAMES = STRETCH_FRAMES - OVERLAP_FRAMES
_FPS = 24


def _text(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "width": job.width,
        "height": job.height,
        "num_frames": job.num_frames,
        "num_inference_steps": job.steps,
        "fps": round(job.fps),
        "base_num_frames": STRETCH_FRAMES,
        "overlap_history": OVERLAP_FRAMES if job.num_frames > STRETCH_FRAMES else None,
        **job.call,
    }


def _image(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_text(job, inputs), "image": fit(inputs["image"], job)}


def _counts() -> tuple[int, ...]:
    """Any length of one stretch, then whole stretches: what is left over would be paid for like a whole one."""
    short = range(_LATENT_FRAMES + 1, STRETCH_FRAMES, _LATENT_FRAMES)
    return (*short, *range(STRETCH_FRAMES, MOST_SECONDS * _FPS + 1, _NEW_FRAMES))


FAMILY = Family(
    name="skyreels",
    title="SkyReels-V2 DF",
    modes={
        "text": Mode(title="Text to video", pipeline="SkyReelsV2DiffusionForcingPipeline", arguments=_text),
        "image": Mode(
            title="Image to video",
            pipeline="SkyReelsV2DiffusionForcingImageToVideoPipeline",
            needs=("image",),
            arguments=_image,
        ),
    },
    size_multiple=16,
    sizes=("960x544", "544x960"),
    frames=FrameList(counts=_counts()),
    frames_per_pass=_NEW_FRAMES,
    window_frames=STRETCH_FRAMES,
    fps=_FPS,
    components=("text_encoder", "transformer", "vae"),
    repeated_guidance=("guidance_scale",),
    quantised_text_fraction=0.815,
    builds=(
        Build(
            transformer_bytes=2_870_000_000,
            quantised_fraction=0.981,
            swapped_fraction=0.085,
            denoising=Activations(per_voxel=105, per_pixel=320),
            vae=wan.VAE,
        ),
        Build(
            transformer_bytes=28_940_000_000,
            quantised_fraction=0.983,
            swapped_fraction=0.077,
            denoising=Activations(per_voxel=321, per_pixel=981),
            vae=wan.VAE,
        ),
    ),
    shared=wan.SHARED,
    caches=("taylorseer_cache",),
    max_seconds=MOST_SECONDS,
    call=("guidance_scale", "addnoise_condition", "max_sequence_length"),
    presets={
        "draft": {"steps": 20, "guidance_scale": 6.0, "addnoise_condition": 20},
        "standard": {"steps": 30, "guidance_scale": 6.0, "addnoise_condition": 20},
        "final": {"steps": 50, "guidance_scale": 6.0, "addnoise_condition": 20},
    },
)
