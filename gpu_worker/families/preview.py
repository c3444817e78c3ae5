"""The built-in preview model: CogVideoX's classes at the size of a thumbnail, one length only, trained here.

The same weights go on from a picture, whether somebody gave it or a clip ended with it. It becomes the first frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gpu_worker.contract import RenderJob
from gpu_worker.families import cogvideox
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fit

SOURCE = "preview"
"""What catalogue rows call it."""
SHIPPED = Path(__file__).parents[1] / "preview" / "weights"
"""The folder of the preview model, for ``DiffusionPipeline.from_pretrained``."""
TEXT_TOKENS = 32
"""Tokens of a prompt, its registers among them: sixteen words and more of a sentence are read. No setting: the
positions of the weights are sized for it."""
_PIPELINE = "CogVideoXPipeline"


def _arguments(job: RenderJob, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**cogvideox.text_arguments(job, inputs), "max_sequence_length": TEXT_TOKENS}


def _given(job: RenderJob, inputs: Mapping[str, Any]) -> Image.Image:
    return fit(inputs["image"], job)


def _last(job: RenderJob, inputs: Mapping[str, Any]) -> Image.Image:
    return fit(inputs["video"][-1], job)


FAMILY = Family(
    name="preview",
    title="Preview",
    modes={
        "text": Mode(title="Text to video", pipeline=_PIPELINE, arguments=_arguments),
        "image": Mode(
            title="Image to video", pipeline=_PIPELINE, needs=("image",), arguments=_arguments, first_frame=_given
        ),
        "extend": Mode(
            title="Continue a clip",
            pipeline=_PIPELINE,
            needs=("video",),
            arguments=_arguments,
            first_frame=_last,
            context_frames=1,
            reads_last_frames=1,
        ),
    },
    sharing="guidance",
    caches=("first_block_cache", "mag_cache", "taylorseer_cache"),  # SeaCache is for models of straight flow
    size_multiple=16,
    sizes=("48x48",),
    frames=FrameRule(step=1, offset=0, least=16, most=16),
    fps=8,
    components=("text_encoder", "transformer", "vae"),
    fuses_qkv=True,
    max_seconds=2,
    max_prompt_characters=500,
    prompt_tokens=TEXT_TOKENS,
    prompt_marks=9,  # eight registers and the end
    batched_guidance=("guidance_scale",),
    call=(
        "guidance_scale",
        "use_dynamic_cfg",
        "eta",
        "timesteps",
    ),
    presets={"standard": {"steps": 2, "guidance_scale": 1.0}},
)
