"""CogVideoX (2B, 5B, 1.5). The built-in preview model is of this family."""

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
        "num_inference_steps": job.steps,
        **job.call,
    }


FAMILY = Family(
    name="cogvideox",
    title="CogVideoX",
    modes={"text": Mode(title="Text to video", pipeline="CogVideoXPipeline", arguments=_text)},
    size_multiple=16,
    frames=FrameRule(step=1, offset=0, least=1, most=161),
    fps=8,
    components=("text_encoder", "transformer", "vae"),
    presets={
        "draft": {"steps": 20, "guidance_scale": 6.0},
        "standard": {"steps": 50, "guidance_scale": 6.0},
    },
)
