"""The fields of a model's form, in the order in which a new one is filled in. What most leave alone comes last."""

from __future__ import annotations

from typing import Any

STEPS = ("Weights and family", "What it may be asked for", "What it costs", "Test render, then enable")
"""What it takes to add a model; the form has the second and the third of them."""

_IS = ["name", "slug", "summary", "family", "source", "revision"]
_ASKED_FOR = [
    *("modes", "sizes", "fps", ("min_seconds", "default_seconds", "max_seconds")),
    *("default_preset", "max_steps", "max_prompt_characters", "upscale", "timeout_seconds"),
]
_COSTS = ["reference_speed", "prices"]
_MAY_USE = ["status", "status_reason", "aliases", "least_plan", "position"]
_LICENCE = ["licence", "licence_url"]
_LICENCE_ASKS = ["licence_notice", "attribution", "blocked_territories", "revenue_cap_dollars"]
_ADVANCED = (
    "Advanced: presets, surcharges, how it is loaded",
    {
        "classes": ["collapse"],
        "fields": [
            *("presets", "surcharges", "dtype", "quantisation", "placement", "components", "loras", "speed"),
            *("component_bytes", "snapshots_in_store"),
        ],
    },
)

FIELDSETS: Any = [  # what types it is private to the stubs
    ("What it is", {"fields": _IS}),
    ("What it may be asked for", {"fields": _ASKED_FOR}),
    ("What it costs", {"fields": _COSTS}),
    ("Who may use it", {"fields": _MAY_USE}),
    ("Licence", {"fields": [*_LICENCE, *_LICENCE_ASKS]}),
    _ADVANCED,
    ("This change", {"fields": ["note", "is_canary", "canary_percent", "based_on"]}),
]
NEW: Any = [
    ("What it is, and its licence", {"fields": [*_IS, *_LICENCE]}),
    ("Step 2 of 4: what it may be asked for", {"fields": _ASKED_FOR}),
    ("Step 3 of 4: what it costs", {"fields": _COSTS}),
    ("What its licence asks for", {"classes": ["collapse"], "fields": _LICENCE_ASKS}),
    ("Who may use it, once it is enabled", {"classes": ["collapse"], "fields": [*_MAY_USE, "note"]}),
    _ADVANCED,
]
"""Of a model that is not saved yet. Step 4, the test render, comes after that."""
