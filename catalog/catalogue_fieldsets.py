"""The fields of a model's form, in the order in which a new one is filled in. What most leave alone is folded up."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

STEPS = ("Weights and family", "What it may be asked for", "What it costs", "Test render, then enable")
"""What it takes to add a model. Each is a page; the form for a new one is the second and the third of them."""
ASKS, COSTS = 2, 3
"""The steps that the form has."""

_IS = ["name", "slug", "summary", "family", "source", "revision"]
_ASKED_FOR = ["modes", "sizes", "fps", ("min_seconds", "default_seconds", "max_seconds"), "default_preset"]
_COSTS = ["reference_speed", "prices"]
_MAY_USE = ["status", "status_reason", "aliases", "least_plan", "position"]
_LICENCE = ["licence", "licence_url"]
_LICENCE_ASKS = ["licence_notice", "attribution", "blocked_territories", "revenue_cap_dollars"]
_LOADED = [
    *("dtype", "quantisation", "placement", "components", "loras", "speed", "component_bytes"),
    "snapshots_in_store",
]


def _folded(title: str, fields: list[Any]) -> Any:
    return title, {"classes": ["collapse"], "fields": fields}


_LIMITS = _folded("Limits that rarely change", ["max_steps", "max_prompt_characters", "upscale", "timeout_seconds"])

FIELDSETS: Any = [  # what types it is private to the stubs
    ("What it is", {"fields": _IS}),
    ("What it may be asked for", {"fields": _ASKED_FOR}),
    _LIMITS,
    ("What it costs", {"fields": _COSTS}),
    ("Who may use it", {"fields": _MAY_USE}),
    ("Licence", {"fields": _LICENCE}),
    _folded("What its licence asks for", _LICENCE_ASKS),
    _folded("Advanced: presets, surcharges, how it is loaded", ["presets", "surcharges", *_LOADED]),
    ("This change", {"fields": ["note", "is_canary", "canary_percent", "based_on"]}),
]
_NEW: Final[dict[int, Any]] = {
    ASKS: [
        ("What it is, and its licence", {"fields": [*_IS, *_LICENCE]}),
        ("What it may be asked for", {"fields": _ASKED_FOR}),
        _LIMITS,
        _folded("What its licence asks for", _LICENCE_ASKS),
        _folded("Advanced: presets, how it is loaded", ["presets", *_LOADED]),
    ],
    COSTS: [
        ("What it costs", {"fields": _COSTS}),
        _folded("Surcharges", ["surcharges"]),
        _folded("Who may use it, once it is enabled", [*_MAY_USE, "note"]),
    ],
}


def of_new(step: int) -> Any:
    """Return the fieldsets of a model that is not saved yet: all of them, so that nothing is lost on the way, with
    those of another step out of sight."""
    return [
        (title, options if of == step else {**options, "classes": ["hidden"]})
        for of, fieldsets in _NEW.items()
        for title, options in fieldsets
    ]


def step_of(field: str) -> int:
    """Return the step at which a new model's ``field`` is filled in; what is none of its fields is of the last."""
    return next((step for step, fieldsets in _NEW.items() if field in _names(fieldsets)), COSTS)


def _names(fieldsets: Any) -> set[str]:
    every = chain.from_iterable(options["fields"] for _, options in fieldsets)
    return {name for each in every for name in ([each] if isinstance(each, str) else each)}
