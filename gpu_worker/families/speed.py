"""What makes a step faster and is off unless a catalogue row names it: names, and what each takes. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpu_worker.families.family import Family

CACHES: Mapping[str, frozenset[str]] = {
    "first_block_cache": frozenset({"threshold"}),
    "mag_cache": frozenset({"threshold", "max_skip_steps", "retention_ratio", "mag_ratios"}),
    "taylorseer_cache": frozenset(
        {"cache_interval", "disable_cache_before_step", "disable_cache_after_step", "max_order", "use_lite_mode"}
    ),
}
"""Skip work where little changes from step to step, and trade some quality for it. One at a time, by its arguments."""
COMPILE_ARGUMENTS = frozenset({"mode", "dynamic", "fullgraph", "backend"})
SETTINGS = ("attention_backend", "compile_repeated_blocks", *CACHES, "fused_qkv", "channels_last_vae")
"""A name of diffusers; arguments of ``torch.compile``; arguments of a cache; ``true``; ``true``.

The last two change how weights are laid out: what has them is a component of its own. The others are switched on for
one render and off after it, so that rows with different settings share their weights.
"""


def cache_of(speed: Mapping[str, Any]) -> str:
    """The cache that a row skips work with; empty for none. It keeps answers of the transformer on the card."""
    return next((name for name in CACHES if name in speed), "")


def problems(speed: Any, made_by: Family) -> Iterator[str]:
    """What is wrong with the settings of a row, each with what would be right."""
    if not isinstance(speed, Mapping):
        yield "Write one line for each setting: `attention_backend: flash`."
        return
    for name, value in speed.items():
        if name not in SETTINGS:
            yield f"There is no {name!r}. There are: {', '.join(SETTINGS)}."
        elif problem := _value_problem(name, value):
            yield f"{name}: {problem}"
    if len(caches := sorted(CACHES.keys() & speed.keys())) > 1:
        yield f"{' and '.join(caches)} exclude each other."
    if "fused_qkv" in speed and not made_by.fuses_qkv:
        yield f"fused_qkv: {made_by.title} does not use fused projections; leave it out."


def _value_problem(name: str, value: Any) -> str | None:
    if name == "attention_backend":
        if isinstance(value, str) and "hub" in value:
            return (
                "a kernel of the Hub is code that nobody here has read; install one and name it: native, flash, sage."
            )
        return None if isinstance(value, str) and value else "a name of diffusers, such as native or flash."
    if name in ("fused_qkv", "channels_last_vae"):
        return None if value is True else "true, or leave it out."
    if not isinstance(value, Mapping):
        return "its arguments, {} for none."
    known = CACHES.get(name, COMPILE_ARGUMENTS)
    if unknown := sorted(map(str, value.keys() - known)):
        return f"there is no {', '.join(unknown)}; only {', '.join(sorted(known))}."
    if name == "mag_cache" and not _is_list_of_numbers(value.get("mag_ratios")):
        return "it needs mag_ratios, a list of numbers that were measured on this model."
    return None


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) in (int, float) for item in value)
