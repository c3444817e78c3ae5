"""What makes a step faster and is off unless a catalogue row names it: names, and what each takes. No torch here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpu_worker.families.family import Family

from gpu_worker.families.numbers import number_problem, numbers_problem, show_number

_FLAG, _WORD = "true or false", "a word"
_COUNT, _NUMBER, _NUMBERS = "a whole number", "a number", "a list of numbers"
_ORDER = "0 or 1"

CACHES: Mapping[str, Mapping[str, str]] = {
    "first_block_cache": {"threshold": _NUMBER},
    "mag_cache": {
        "threshold": _NUMBER,
        "max_skip_steps": _COUNT,
        "retention_ratio": _NUMBER,
        "mag_ratios": _NUMBERS,
    },
    "sea_cache": {
        "threshold": _NUMBER,
        "residual_order": _ORDER,
        "retention_steps": _COUNT,
        "cache_end_steps": _COUNT,
        "max_consecutive_cached": _COUNT,
    },
    "taylorseer_cache": {
        "cache_interval": _COUNT,
        "disable_cache_before_step": _COUNT,
        "disable_cache_after_step": _COUNT,
        "max_order": _COUNT,
        "use_lite_mode": _FLAG,
    },
}
"""Skip work where little changes from step to step, and trade some quality for it. One at a time, by its arguments."""
COMPILE_ARGUMENTS = {"mode": _WORD, "dynamic": _FLAG, "fullgraph": _FLAG, "backend": _WORD}
EIGHT_BIT_PRODUCTS = "eight_bit_products"
_FLAGS = (EIGHT_BIT_PRODUCTS, "fused_qkv", "channels_last_vae")
SETTINGS = ("attention_backend", "compile_repeated_blocks", *CACHES, *_FLAGS)
"""A name of diffusers; arguments of ``torch.compile``; arguments of a cache; and three times ``true``.

The last two change how weights are laid out: what has them is a component of its own. The others are switched on for
one render and off after it, so that rows with different settings share their weights.
"""
CARDS = ("auto", "one")
"""Values of ``cards``, beside those settings: whether a worker of several cards shares a row's clips among them."""


def held_beside(speed: Mapping[str, Any]) -> str:
    """Which settings of a row change what a step holds beside the weights, by their names: caches keep answers of the
    transformer on the card, and products in eight bits come as wider numbers."""
    return ",".join(name for name in (*CACHES, EIGHT_BIT_PRODUCTS) if name in speed)


def without_caches(speed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a row but its step cache."""
    return {name: value for name, value in speed.items() if name not in CACHES}


def products_problem(speed: Mapping[str, Any], quantisation: str) -> str | None:
    """Why a row whose transformer has this ``quantisation`` cannot multiply in eight bits, if it wants to."""
    if EIGHT_BIT_PRODUCTS in speed and quantisation not in ("int8", "fp8"):
        return f"{EIGHT_BIT_PRODUCTS}: the transformer's quantisation is {quantisation}; it has to be int8 or fp8."
    return None


def caches_that_work(made_by: Family, modes: Iterable[str]) -> list[str]:
    """Names of the caches that a row of this family may use if it offers ``modes``."""
    offered = [made_by.modes[mode].caches for mode in modes]
    return [name for name in made_by.caches if all(caches is None or name in caches for caches in offered)]


def problems(speed: Any, made_by: Family, modes: Iterable[str] = ()) -> Iterator[str]:
    """What is wrong with the settings of a row that offers ``modes``, each with what would be right."""
    if not isinstance(speed, Mapping):
        yield "Write one line for each setting: `attention_backend: flash`."
        return
    for name, value in speed.items():
        if name not in (*SETTINGS, "cards"):
            yield f"There is no {name!r}. There are: {', '.join(SETTINGS)}, cards."
        elif problem := _value_problem(name, value):
            yield f"{name}: {problem}"
    if len(caches := sorted(CACHES.keys() & speed.keys())) > 1:
        yield f"{' and '.join(caches)} exclude each other."
    working = caches_that_work(made_by, modes)
    for cache in sorted(CACHES.keys() & speed.keys() - set(working)):
        instead = f"use {' or '.join(working)}" if working else "leave it out"
        yield f"{cache}: {made_by.title} fails at the first step with it in these modes; {instead}."
    if "fused_qkv" in speed and not made_by.fuses_qkv:
        yield f"fused_qkv: {made_by.title} does not use fused projections; leave it out."


def _value_problem(name: str, value: Any) -> str | None:
    if name == "attention_backend":
        if isinstance(value, str) and "hub" in value:
            return (
                "a kernel of the Hub is code that nobody here has read; install one and name it: native, flash, sage."
            )
        return None if isinstance(value, str) and value else "a name of diffusers, such as native or flash."
    if name == "cards":
        return None if value in CARDS else f"{' or '.join(CARDS)}."
    if name in _FLAGS:
        return None if value is True else "true, or leave it out."
    if not isinstance(value, Mapping):
        return "its arguments, {} for none."
    known = CACHES.get(name, COMPILE_ARGUMENTS)
    if unknown := sorted(map(str, value.keys() - known)):
        return f"there is no {', '.join(unknown)}; only {', '.join(sorted(known))}."
    if name == "mag_cache" and "mag_ratios" not in value:
        return "it needs mag_ratios, a list of numbers that were measured on this model."
    wrong = ((argument, _argument_problem(known[argument], given)) for argument, given in value.items())
    return next((f"{argument}: {problem}" for argument, problem in wrong if problem), None)


def _argument_problem(kind: str, value: Any) -> str | None:
    if kind == _NUMBERS:
        return numbers_problem(value)
    if kind in (_NUMBER, _COUNT):
        return number_problem(value, least=0, is_whole=kind == _COUNT)
    if kind == _ORDER:
        is_fitting = value in (0, 1) and not isinstance(value, bool)
    else:
        is_fitting = isinstance(value, bool) if kind == _FLAG else isinstance(value, str) and bool(value)
    return None if is_fitting else f"write {kind}; this is {show_number(value)}."
