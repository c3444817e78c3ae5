"""Where clips lie, and how a GPU worker that has no key to the storage reaches them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.urls import reverse

from generation.models import Generation

CLIP: Final = "clip"
POSTER: Final = "poster"
INPUTS: Final = "inputs/"
SUFFIXES: Final = {CLIP: "clip.mp4", POSTER: "poster.jpg"}

_UPLOAD_SALT = "generation.files.upload"
UPLOAD_MAX_AGE_SECONDS = 24 * 3600


def key(generation: Generation, role: str) -> str:
    """Deterministic, so that a second attempt overwrites the first and nothing is orphaned.

    It names no workspace: a running clip may move to another one, and its worker delivers to the address it was given.
    """
    return f"clips/{generation.id}/{SUFFIXES[role]}"


def outputs(generation: Generation) -> dict[str, str]:
    """Role → address to which the worker puts the file."""
    return {role: _address(key(generation, role)) for role in SUFFIXES}


def inputs(generation: Generation) -> dict[str, str]:
    """Role → address from which the worker takes the file."""
    return {role: _address(stored) for role, stored in generation.inputs.items()}


def _address(stored: str) -> str:
    if settings.CLIP_UPLOAD == "folder":
        return Path(settings.MEDIA_DIR, stored).as_uri()
    return str(settings.SITE_URL) + reverse("generation:worker-file", args=[signing.dumps(stored, salt=_UPLOAD_SALT)])


def key_from_token(token: str) -> str | None:
    """The storage key that a worker's address names, or None when it was not ours or is too old."""
    try:
        return str(signing.loads(token, salt=_UPLOAD_SALT, max_age=UPLOAD_MAX_AGE_SECONDS))
    except signing.BadSignature:
        return None


def has_clip(generation: Generation) -> bool:
    return default_storage.exists(key(generation, CLIP))


def delete(generation: Generation) -> None:
    """Remove everything that a generation left behind. Deleting twice is deleting once."""
    for role in SUFFIXES:
        default_storage.delete(key(generation, role))
    for stored in generation.inputs.values():
        if stored.startswith(INPUTS):  # an own clip that it began with is not its to delete
            default_storage.delete(stored)
