"""The fields of a model's form, in the order in which a new one is filled in. What most leave alone comes last."""

from __future__ import annotations

from typing import Any

FIELDSETS: Any = [  # what types it is private to the stubs
    ("1. What it is", {"fields": ["name", "slug", "summary", "family", "source", "revision"]}),
    (
        "2. What it may be asked for",
        {
            "fields": [
                *("modes", "sizes", "fps", ("min_seconds", "default_seconds", "max_seconds")),
                *("default_preset", "max_steps", "max_prompt_characters", "upscale", "timeout_seconds"),
            ]
        },
    ),
    ("3. What it costs", {"fields": ["reference_speed", "prices"]}),
    ("4. Who may use it", {"fields": ["status", "status_reason", "aliases", "least_plan", "position"]}),
    (
        "Licence",
        {
            "fields": [
                *("licence", "licence_url", "licence_notice", "attribution", "blocked_territories"),
                "revenue_cap_dollars",
            ]
        },
    ),
    (
        "Advanced: presets, surcharges, how it is loaded",
        {
            "classes": ["collapse"],
            "fields": [
                *("presets", "surcharges", "dtype", "quantisation", "placement", "components", "loras", "speed"),
                "component_bytes",
            ],
        },
    ),
    ("This change", {"fields": ["note", "is_canary", "canary_percent", "based_on"]}),
]
