"""What the pipelines' arguments take that a preset may set: the same name takes the same in every family."""

from __future__ import annotations

from typing import Any

from gpu_worker.families.numbers import number_problem, numbers_problem, show_number

FLAGS = frozenset({"is_amplify_first_chunk", "use_cross_timestep", "use_dynamic_cfg", "use_zero_init"})
LISTS = frozenset({"sigmas", "timesteps", "spatio_temporal_guidance_blocks"})
COUNTS = frozenset({"addnoise_condition", "max_sequence_length", "zero_steps"})
TEMPLATES = frozenset({"prompt_template"})
"""Words around the prompt: a mapping, as diffusers has it. All others are numbers."""
_ENHANCING = "the engine loads no model that writes prompts anew; leave it out."
_ONE_CLIP = "a job makes one clip; leave it out."
NOT_DONE = {
    "enable_prompt_enhancement": _ENHANCING,
    "prompt_enhancement_kwargs": _ENHANCING,
    "prompt_enhancement_seed": _ENHANCING,
    "prompt_max_new_tokens": _ENHANCING,
    "system_prompt": _ENHANCING,
    "num_videos_per_prompt": _ONE_CLIP,
    "output_type": "the engine takes frames from the decoder itself; leave it out.",
    "min_seconds": "the request says how long the clip is; leave it out.",
    "max_seconds": "the request says how long the clip is; leave it out.",
}
"""What pipelines of diffusers take and the engine cannot do, with the reason."""


def argument_problem(name: str, value: Any) -> str | None:
    """The reason why the pipelines cannot take ``value`` as ``name``, with what would be right; None where they can."""
    if name in FLAGS:
        return None if isinstance(value, bool) else f"write true or false; this is {show_number(value)}."
    if name in LISTS:
        return numbers_problem(value)
    if name in TEMPLATES:
        return None if isinstance(value, dict) else f"write a mapping; this is {show_number(value)}."
    if name in COUNTS:
        return number_problem(value, least=0, is_whole=True)
    return number_problem(value)
