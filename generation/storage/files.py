"""Where clips lie, and how a GPU worker that has no key to the storage reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.urls import reverse

from generation.models import OUTPUT_NAMES, SIGNED, Generation, output_key
from generation.storage.store import store
from gpu_worker.contract import ANNOUNCE_QUERY, SNAPSHOT_MOST_BYTES
from loremotion.bodies import MAX_BODY_BYTES

CLIP: Final = "clip"
POSTER: Final = "poster"
INPUTS: Final = "inputs/"
CONVERTED_NAMES: Final = {"gif": "clip.gif", "webm": "clip.webm", "jpg": "spritesheet.jpg"}
"""By suffix: files that are made of a clip when somebody asks for them."""
RECIPE_NAME: Final = "recipe.mp4"
SNAPSHOT: Final = "snapshot"
SNAPSHOT_NAME: Final = "render.snapshot"
"""Of an unfinished render, where its row wants one: another host goes on from it. It goes when the render ends."""

_SALTS: Final = {"GET": "generation.files.download", "PUT": "generation.files.upload"}
UPLOAD_MAX_AGE_SECONDS = 24 * 3600
MAX_CLIP_BYTES: Final = 2 * 1024**3
_MAX_POSTER_BYTES: Final = 64 * 1024**2
_MP4_BRAND_BOX: Final = b"ftyp"
"""Every MP4 begins with the length of this box, and its name."""


def key(generation: Generation, role: str) -> str:
    """Where the file of this role lies, or will."""
    return output_key(generation.id, role)


def converted_key(generation_id: UUID | str, suffix: str) -> str:
    """Where a clip's file with this suffix lies, or would."""
    folder = output_key(generation_id, CLIP).rpartition("/")[0]
    return f"{folder}/{CONVERTED_NAMES[suffix]}"


def recipe_key(generation_id: UUID | str) -> str:
    """Where the clip with its recipe behind it lies, or would, in a store that sends files itself."""
    folder = output_key(generation_id, CLIP).rpartition("/")[0]
    return f"{folder}/{RECIPE_NAME}"


def snapshot_key(generation_id: UUID | str) -> str:
    """Where the snapshot of an unfinished render lies, or would."""
    folder = output_key(generation_id, CLIP).rpartition("/")[0]
    return f"{folder}/{SNAPSHOT_NAME}"


def generation_of(stored: str) -> str | None:
    """The id of the generation whose clip lies under ``stored``; None for what is no clip."""
    place, _, rest = stored.partition("/")
    generation_id, _, name = rest.partition("/")
    is_clip = name == OUTPUT_NAMES[CLIP] or (name.endswith(".mp4") and SIGNED.fullmatch(name) is not None)
    return generation_id if place == "clips" and is_clip else None


_TAKEN_NAMES: Final = {**OUTPUT_NAMES, SNAPSHOT: SNAPSHOT_NAME}
"""Role → name of what a worker may bring."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What a signed address lets a worker store: one file of one attempt."""

    key: str
    most_bytes: int
    attempt: int | None
    """None in addresses that the last release made: of an attempt without a secret."""

    @property
    def generation_id(self) -> str:
        return self.key.split("/")[1]

    @property
    def role(self) -> str:
        name = self.key.rpartition("/")[2]
        return next(role for role, output in _TAKEN_NAMES.items() if output == name)


def outputs(generation: Generation) -> dict[str, str]:
    """Role → address to which the worker of the present attempt puts the file."""
    return {
        role: _address(key(generation, role), "PUT", [most_bytes(generation, role), generation.attempt])
        for role in OUTPUT_NAMES
    }


def snapshot_addresses(generation: Generation) -> tuple[str, str]:
    """Where the worker of the present attempt puts its snapshots, and where it finds a former attempt's. Both empty
    where the row keeps them on their host, and the latter for a first attempt."""
    if not generation.version.snapshots_in_store:
        return "", ""
    stored = snapshot_key(generation.id)
    to = _address(stored, "PUT", [SNAPSHOT_MOST_BYTES, generation.attempt])
    return to, _address(stored, "GET") if generation.attempt > 1 else ""


def most_bytes(generation: Generation, role: str) -> int:
    """Bytes that a file of this role cannot exceed: those of its frames without any compression, and some for sound."""
    frame_bytes = 3 * generation.delivered_width * generation.delivered_height
    if role == POSTER:
        return min(_MAX_POSTER_BYTES, 1024**2 + frame_bytes)
    return min(MAX_CLIP_BYTES, 64 * 1024**2 + generation.most_frames * frame_bytes)


def inputs(generation: Generation) -> dict[str, str]:
    """Role → address from which the worker takes the file."""
    return {role: _address(stored, "GET") for role, stored in generation.inputs.items()}


def _address(stored: str, method: str, bounds: list[int] | None = None) -> str:
    if (shared := store().shared_address(stored)) is not None:
        return shared
    token = signing.dumps(stored if bounds is None else [stored, *bounds], salt=_SALTS[method])
    address = str(settings.SITE_URL) + reverse("generation:worker-file", args=[token])
    return f"{address}?{ANNOUNCE_QUERY}" if method == "PUT" and store().takes_uploads else address


def key_from_token(token: str) -> str | None:
    """The storage key that a worker may read at this address, or None when the address is not ours or too old.

    What a worker may read, such as the clip that a new one goes on from, it may not write.
    """
    try:
        return str(signing.loads(token, salt=_SALTS["GET"], max_age=UPLOAD_MAX_AGE_SECONDS))
    except signing.BadSignature:
        return None


def permit_from_token(token: str) -> Permit | None:
    """What a worker may store at this address, or None when the address is not ours, too old, or for reading."""
    try:
        said: Any = signing.loads(token, salt=_SALTS["PUT"], max_age=UPLOAD_MAX_AGE_SECONDS)
    except signing.BadSignature:
        return None
    # Jobs that were queued by earlier releases carry tokens that name the key alone, or no attempt.
    parts: list[Any] = [said, MAX_CLIP_BYTES, None] if isinstance(said, str) else [*said, None]
    stored, most, attempt, *_ = parts
    return Permit(key=str(stored), most_bytes=int(most), attempt=attempt)


def body_limit(method: str, content_type: str, *, token: str) -> int | None:
    """Most bytes that may be sent to a worker's address: what its token announces. None when nothing may be."""
    if method != "PUT":
        return MAX_BODY_BYTES
    permit = permit_from_token(token)
    return None if permit is None else permit.most_bytes


def has_clip(generation: Generation) -> bool:
    return default_storage.exists(key(generation, CLIP))


def is_clip(generation: Generation, *, size_bytes: int, sha256: str) -> bool:
    """Return whether what lies in the storage is an MP4 of this size and digest. In a folder, reads all of it."""
    stored = key(generation, CLIP)
    try:
        head = store().head(stored, len(_MP4_BRAND_BOX) + 4)
    except FileNotFoundError:
        return False
    return head[4:] == _MP4_BRAND_BOX and store().holds(stored, size_bytes=size_bytes, sha256=sha256)


def delete(generation: Generation) -> None:
    """Remove everything that a generation left behind. Deleting twice is deleting once."""
    delete_outputs(str(generation.id))
    for stored in generation.inputs.values():
        if stored.startswith(INPUTS):  # an own clip that it began with is not its to delete
            default_storage.delete(stored)
            default_storage.delete(credentials_key(stored))


def credentials_key(sent: str) -> str:
    """Where the Content Credentials lie that the file under ``sent`` brought along, if they go into the clip's own."""
    return str(PurePosixPath(sent).with_suffix(".c2pa"))


def signed_keys(generation_id: UUID | str) -> list[str]:
    """Where signed files of a clip lie, and manifests: one of each, and what a crash left."""
    folder = output_key(generation_id, CLIP).rpartition("/")[0]
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    return [f"{folder}/{name}" for name in names if SIGNED.fullmatch(name)]


def delete_delivered(generation: Generation) -> None:
    """Remove the clip as its worker delivered it, once another file is the clip."""
    default_storage.delete(key(generation, CLIP))


def delete_outputs(generation_id: str) -> None:
    """Remove what a worker delivered for a generation, which need not exist any more, and what was made of it."""
    for role in OUTPUT_NAMES:
        default_storage.delete(output_key(generation_id, role))
    for suffix in CONVERTED_NAMES:
        default_storage.delete(converted_key(generation_id, suffix))
    for signed in signed_keys(generation_id):
        default_storage.delete(signed)
    default_storage.delete(snapshot_key(generation_id))
    if store().takes_uploads:
        default_storage.delete(recipe_key(generation_id))
