"""The built-in preview model: CogVideoX's classes at the size of a thumbnail, one length only, trained here."""

from __future__ import annotations

from gpu_worker.families.cogvideox import text_arguments
from gpu_worker.families.family import Family, FrameRule, Mode

FAMILY = Family(
    name="preview",
    title="Preview",
    modes={"text": Mode(title="Text to video", pipeline="CogVideoXPipeline", arguments=text_arguments)},
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
