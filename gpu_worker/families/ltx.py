"""LTX-Video (2B, 13B, distilled)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpu_worker.contract import RenderJob
from gpu_worker.families.family import Family, FrameRule, Mode


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
    return {**_text(job, inputs), "image": inputs["image"]}


FAMILY = Family(
    name="ltx",
    title="LTX-Video",
    modes={
        "text": Mode(title="Text to video", pipeline="LTXPipeline", arguments=_text),
        "image": Mode(
            title="Image to video", pipeline="LTXImageToVideoPipeline", needs=("image",), arguments=_image
        ),
    },
    size_multiple=32,
    frames=FrameRule(step=8, offset=1, least=9, most=257),
    fps=24,
    components=("text_encoder", "transformer", "vae"),
    presets={
        "draft": {"steps": 12, "guidance_scale": 3.0},
        "standard": {"steps": 30, "guidance_scale": 3.0},
        "final": {"steps": 50, "guidance_scale": 3.0},
    },
)
