"""What a clip's manifest says of it, by C2PA 2.1: a model made it, which one, from what. Never the prompt, which is
somebody's words, nor whose it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from django.conf import settings

from generation.models import Generation

MADE_BY_A_MODEL: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PARENT, INPUT = "parentOf", "inputTo"
SOURCE: Final = "video"
"""The role of what an edit changes."""
RENDER: Final = "com.loremotion.render"
"""The label of our own assertion: the render's id, by which this site finds its row, and its seed."""


def of(generation: Generation, *, left_out: Mapping[str, str], from_files: Collection[str]) -> dict[str, Any]:
    """The manifest's definition, without the ingredients that are read from files.

    Args:
        left_out: role → digest of a file that people sent, whose Content Credentials stay out of the clip's.
        from_files: roles of those ingredients.
    """
    model = generation.version.model
    made = {
        "digitalSourceType": MADE_BY_A_MODEL,
        "softwareAgent": {"name": model.name, "version": str(generation.version.number)},
    }
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [SOURCE]}}
    first = opened if is_edit(generation) else {"action": "c2pa.created", **made}
    more = [{"action": "c2pa.edited", **made}] if is_edit(generation) else []
    render = {"id": str(generation.id), "model": model.slug, "mode": generation.mode, "seed": str(generation.seed)}
    return {
        "claim_generator_info": [{"name": "LoreMotion", "site": settings.SITE_URL}],
        "format": "video/mp4",
        "title": f"{model.name}, {generation.id}",
        "ingredients": _ingredients_without_file(generation, left_out, from_files),
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [first, *more]}},
            {"label": RENDER, "data": render},
        ],
    }


def is_edit(generation: Generation) -> bool:
    """Whether the clip is its source video, changed; one that goes on from the end of another is a new one."""
    mode = generation.version.family_facts.modes.get(generation.mode)
    return SOURCE in generation.inputs and mode is not None and not mode.reads_last_frames


def ingredient(generation: Generation, role: str) -> dict[str, str]:
    """What is said of a file that the clip was made from."""
    relationship = PARENT if is_parent(generation, role) else INPUT
    return {"title": role.replace("_", " "), "relationship": relationship, "label": role}


def is_parent(generation: Generation, role: str) -> bool:
    """Whether the clip is this file, changed."""
    return role == SOURCE and is_edit(generation)


def _ingredients_without_file(
    generation: Generation, left_out: Mapping[str, str], from_files: Collection[str]
) -> list[dict[str, str]]:
    said = "It had Content Credentials of its own, which are left out."
    found = {
        role: {**ingredient(generation, role), "instance_id": f"sha256:{sha256}", "description": said}
        for role, sha256 in sorted(left_out.items())
    }
    if is_edit(generation) and SOURCE not in {*found, *from_files}:  # what is opened has to be named
        found[SOURCE] = ingredient(generation, SOURCE)
    return list(found.values())
