"""LTX-2 distilled, driven by a sound: the video is made to what is heard, and the clip has that sound itself.

The pipeline that can hold the sound still while the video is denoised (``freeze_audio``) runs without guidance, so this
is for distilled checkpoints, and a family of its own: no preset of the others is a call that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families import ltx2
from gpu_worker.families.family import Family, Mode
from gpu_worker.families.pictures import fit


def _sound(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The engine adds ``audio_latents``, which take the checkpoint's own audio VAE to make."""
    begins_with = {"conditions": [ltx2.Condition(frames=fit(inputs["image"], job))]} if "image" in inputs else {}
    return {
        "width": job.width,
        "height": job.height,
        "num_frames": job.num_frames,
        "frame_rate": job.fps,
        "freeze_audio": True,
        "generate_slots": False,
        **begins_with,
        **job.call,
    }


FAMILY = Family(
    name="ltx2_sound",
    title="LTX-2 from sound",
    modes={
        "sound": Mode(
            title="Sound to video",
            pipeline="LTX2DFRPipeline",
            needs=("audio",),
            accepts=("image",),
            arguments=_sound,
        )
    },
    sharing="sequence",
    size_multiple=ltx2.FAMILY.size_multiple,
    sizes=ltx2.FAMILY.sizes,
    frames=ltx2.FAMILY.frames,
    fps=ltx2.FAMILY.fps,
    components=ltx2.FAMILY.components,
    quantised_text_fraction=0.914,
    builds=ltx2.FAMILY.builds,
    shared=ltx2.FAMILY.shared,
    has_audio=True,
    caches=(),
    max_seconds=ltx2.FAMILY.max_seconds,
    prompt_tokens=ltx2.FAMILY.prompt_tokens,
    call=(
        "sigmas",
        "noise_scale",
        "decode_timestep",
        "decode_noise_scale",
        "use_cross_timestep",
        "max_sequence_length",
    ),
    presets={"standard": {"steps": 8, "sigmas": ltx2.DISTILLED_SIGMAS}},
)
