"""Where clips lie, and how a GPU worker that has no key to the storage reaches them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.urls import reverse

from generation.models import OUTPUT_NAMES, Generation, output_key
from loremotion.bodies import MAX_BODY_BYTES

CLIP: Final = "clip"
POSTER: Final = "poster"
INPUTS: Final = "inputs/"

_SALTS: Final = {"GET": "generation.files.download", "PUT": "generation.files.upload"}
UPLOAD_MAX_AGE_SECONDS = 24 * 3600
MAX_CLIP_BYTES: Final = 2 * 1024**3
_MAX_POSTER_BYTES: Final = 64 * 1024**2
_HASHED_AT_ONCE_BYTES: Final = 1024**2
_MP4_BRAND_BOX: Final = b"ftyp"
"""Every MP4 begins with the length of this box, and its name."""


def key(generation: Generation, role: str) -> str:
    """Where the file of this role lies, or will."""
    return output_key(generation.id, role)


def generation_of(stored: str) -> str | None:
    """The id of the generation whose clip lies under ``stored``; None for what is no clip."""
    place, _, rest = stored.partition("/")
    generation_id, _, name = rest.partition("/")
    return generation_id if (place, name) == ("clips", OUTPUT_NAMES[CLIP]) else None


def outputs(generation: Generation) -> dict[str, str]:
    """Role → address to which the worker puts the file."""
    return {role: _address(key(generation, role), "PUT", most_bytes(generation, role)) for role in OUTPUT_NAMES}


def most_bytes(generation: Generation, role: str) -> int:
    """Bytes that a file of this role cannot exceed: those of its frames without any compression, and some for sound."""
    frame_bytes = 3 * generation.delivered_width * generation.delivered_height
    if role == POSTER:
        return min(_MAX_POSTER_BYTES, 1024**2 + frame_bytes)
    return min(MAX_CLIP_BYTES, 64 * 1024**2 + generation.num_frames * frame_bytes)


def inputs(generation: Generation) -> dict[str, str]:
    """Role → address from which the worker takes the file."""
    return {role: _address(stored, "GET") for role, stored in generation.inputs.items()}


def _address(stored: str, method: str, most: int | None = None) -> str:
    if settings.CLIP_UPLOAD == "folder":
        return Path(settings.MEDIA_DIR, stored).as_uri()
    token = signing.dumps(stored if most is None else [stored, most], salt=_SALTS[method])
    return str(settings.SITE_URL) + reverse("generation:worker-file", args=[token])


def key_from_token(token: str, method: str) -> str | None:
    """The storage key that a worker's address names, or None when it is not ours, too old, or for another method.

    What a worker may read, such as the clip that a new one goes on from, it may not write.
    """
    said = _read(token, method)
    return None if said is None else said[0]


def body_limit(method: str, content_type: str, *, token: str) -> int | None:
    """Most bytes that may be sent to a worker's address: what its token announces. None when nothing may be."""
    if method != "PUT":
        return MAX_BODY_BYTES
    said = _read(token, method)
    return None if said is None else said[1]


def _read(token: str, method: str) -> tuple[str, int] | None:
    try:
        said = signing.loads(token, salt=_SALTS[method], max_age=UPLOAD_MAX_AGE_SECONDS)
    except signing.BadSignature:
        return None
    # Jobs that were queued by an earlier release carry tokens that name the key alone.
    return (said, MAX_CLIP_BYTES) if isinstance(said, str) else (str(said[0]), int(said[1]))


def has_clip(generation: Generation) -> bool:
    return default_storage.exists(key(generation, CLIP))


def is_clip(generation: Generation, *, size_bytes: int, sha256: str) -> bool:
    """Return whether what lies in the storage is an MP4 of this size and digest. Reads all of it."""
    stored = key(generation, CLIP)
    try:
        if default_storage.size(stored) != size_bytes:
            return False
        digest = hashlib.sha256()
        with default_storage.open(stored) as file:
            for number, chunk in enumerate(file.chunks(_HASHED_AT_ONCE_BYTES)):
                if number == 0 and chunk[4:8] != _MP4_BRAND_BOX:
                    return False
                digest.update(chunk)
    except FileNotFoundError:
        return False
    return digest.hexdigest() == sha256


def delete(generation: Generation) -> None:
    """Remove everything that a generation left behind. Deleting twice is deleting once."""
    delete_outputs(str(generation.id))
    for stored in generation.inputs.values():
        if stored.startswith(INPUTS):  # an own clip that it began with is not its to delete
            default_storage.delete(stored)


def delete_outputs(generation_id: str) -> None:
    """Remove what a worker delivered for a generation, which need not exist any more."""
    for role in OUTPUT_NAMES:
        default_storage.delete(output_key(generation_id, role))
