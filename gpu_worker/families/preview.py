"""The built-in preview model: CogVideoX's classes at the size of a thumbnail, one length only, trained here.

The same weights go on from a picture, whether somebody gave it or a clip ended with it. It becomes the first frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from gpu_worker.contract import RenderJob
from gpu_worker.families.cogvideox import text_arguments
from gpu_worker.families.family import Family, FrameRule, Mode
from gpu_worker.families.pictures import fitted

_PIPELINE = "CogVideoXPipeline"


def _given(job: RenderJob, inputs: Mapping[str, Any]) -> Image.Image:
    return fitted(inputs["image"], job)


def _last(job: RenderJob, inputs: Mapping[str, Any]) -> Image.Image:
    return fitted(inputs["video"][-1], job)


FAMILY = Family(
    name="preview",
    title="Preview",
    modes={
        "text": Mode(title="Text to video", pipeline=_PIPELINE, arguments=text_arguments),
        "image": Mode(
            title="Image to video", pipeline=_PIPELINE, needs=("image",), arguments=text_arguments, first_frame=_given
        ),
        "extend": Mode(
            title="Continue a clip",
            pipeline=_PIPELINE,
            needs=("video",),
            arguments=text_arguments,
            first_frame=_last,
            context_frames=1,
            reads_last_frames=1,
        ),
    },
    size_multiple=16,
    frames=FrameRule(step=1, offset=0, least=16, most=16),
    fps=8,
    components=("text_encoder", "transformer", "vae"),
    max_seconds=2,
    max_prompt_characters=500,
    call=(
        "guidance_scale",
        "use_dynamic_cfg",
        "eta",
        "timesteps",
        "max_sequence_length",
    ),
    presets={"standard": {"steps": 2, "guidance_scale": 1.0, "max_sequence_length": 24}},
)
