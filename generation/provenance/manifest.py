"""What a clip's manifest says of it, by C2PA 2.1: a model made it, which one, from what. Never the prompt, which is
somebody's words, nor whose it is.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

from generation.models import Generation

MADE_BY_A_MODEL: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PARENT, INPUT = "parentOf", "inputTo"
RENDER: Final = "com.loremotion.render"
"""The label of our own assertion: the render's id, by which this site finds its row, and its seed."""


def of(generation: Generation) -> dict[str, Any]:
    """The manifest's definition, without ingredients."""
    model = generation.version.model
    made = {
        "digitalSourceType": MADE_BY_A_MODEL,
        "softwareAgent": {"name": model.name, "version": str(generation.version.number)},
    }
    first = {"action": "c2pa.opened"} if is_edit(generation) else {"action": "c2pa.created", **made}
    more = [{"action": "c2pa.edited", **made}] if is_edit(generation) else []
    render = {"id": str(generation.id), "model": model.slug, "mode": generation.mode, "seed": str(generation.seed)}
    return {
        "claim_generator_info": [{"name": "LoreMotion", "site": settings.SITE_URL}],
        "format": "video/mp4",
        "title": f"{model.name}, {generation.id}",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [first, *more]}},
            {"label": RENDER, "data": render},
        ],
    }


def is_edit(generation: Generation) -> bool:
    """Whether the clip is its source video, changed; one that goes on from the end of another is a new one."""
    mode = generation.version.family_facts.modes.get(generation.mode)
    return "video" in generation.inputs and mode is not None and not mode.reads_last_frames


def ingredient(generation: Generation, role: str) -> dict[str, str]:
    """What is said of a file that the clip was made from."""
    relationship = PARENT if role == "video" and is_edit(generation) else INPUT
    return {"title": role.replace("_", " "), "relationship": relationship}
