"""The Content Credentials that a file brings along which somebody sends for a clip to begin with.

They may say who people are and where they were, so whoever asks for the clip chooses: either they go into the clip's
own, with everything that they were made from, or that says no more than that the file had some. A picture is encoded
anew before it is kept, so they are taken out before that. A program that may do little else reads them
(``carrying_sandbox``).
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO, Final

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from generation.models import Generation
from generation.provenance import certificate, media_types
from generation.storage import files
from gpu_worker import sandbox
from loremotion import database, page_deadline
from loremotion.refusals import Unavailable

MOST_BYTES: Final = 4 * 1024**2
"""Of what one file brings along: its manifests and those of all that it was made from, with their small pictures."""
WALL_SECONDS: Final = 10.0
AT_ONCE: Final = 2
"""Files that one process has read at the same time."""
WAIT_SECONDS: Final = 20.0
MARK: Final = b"jumdc2pa"
"""How the description of a manifest store begins, in every format: the type of its box, and then C2PA's."""
_PROGRAM: Final = Path(__file__).with_name("carrying_sandbox.py")
_READ_AT_ONCE_BYTES: Final = 1024**2
_places = BoundedSemaphore(AT_ONCE)


class NotCarried(ValueError):
    """They cannot go along. The message follows "Its Content Credentials "."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file brought along."""

    sha256: str
    """Of the file as it was sent."""
    archive: bytes = b""
    """What goes into the clip's own; empty where it is left out."""


def is_offered() -> bool:
    """Whether this site lets them go along. It does not where signatures get a time stamp: that comes by the network,
    which the program that signs has then, and no stranger's manifest is read with a network at hand."""
    return certificate.is_configured() and not settings.C2PA_TIMESTAMP_URL


def brings_some(file: IO[bytes]) -> bool:
    """Whether the file has Content Credentials, on a site that signs its clips, by a look at its bytes. Leaves it at
    its beginning."""
    if not certificate.is_configured():
        return False
    file.seek(0)
    kept, is_found = b"", False
    while not is_found and (chunk := file.read(_READ_AT_ONCE_BYTES)):
        is_found = MARK in kept + chunk
        kept = chunk[1 - len(MARK) :]
    file.seek(0)
    return is_found


def take_out(file: IO[bytes], *, carries: bool) -> Brought | None:
    """What a file that ``brings_some`` brings along; None where that turns out to be nothing. Leaves it at its
    beginning.

    Args:
        carries: whether they go into the clip's own.

    Raises:
        NotCarried: they are to go along, and cannot.
        Unavailable: they are to go along, and those of other files are being read, and go on being so.
    """
    if carries and not is_offered():
        raise NotCarried("can't go along on this site")
    with tempfile.TemporaryFile(buffering=0) as own:  # the program shares its place in it
        file.seek(0)
        shutil.copyfileobj(file, own)
        file.seek(0)
        own.seek(0)
        sha256 = hashlib.file_digest(own, "sha256").hexdigest()
        own.seek(0)
        media_type = media_types.of(own)
        if media_type is None:
            if carries:
                raise NotCarried("can't be read from a file of this format")
            return Brought(sha256)
        try:
            size, archive = _archive_of(own, media_type, wait_seconds=WAIT_SECONDS if carries else 0.0)
        except Unavailable:
            if carries:
                raise
            return Brought(sha256)  # nobody waits, or is sent away, for what is left out anyway
        except sandbox.FileUnreadable:
            if carries:
                raise NotCarried("can't be read") from None
            return None
    if not size:
        return None
    if carries and not archive:
        raise NotCarried(f"have {size / 1e6:.1f} MB, and at most {MOST_BYTES / 1e6:.1f} MB can go along")
    return Brought(sha256, archive if carries else b"")


def told_of(generation: Generation) -> str:
    """``carried`` or ``left_out``, as what was sent for the clip had Content Credentials; ``unreadable`` where they
    were to go along, and could not in the end; empty where nothing had any."""
    rows = _sent_with_some(generation)
    if not rows:
        return ""
    if not any(rows.values()):
        return "left_out"
    is_signed_without = hasattr(generation, "clip") and generation.clip.left_out_credentials
    return "unreadable" if is_signed_without else "carried"


def roles_to_carry(generation: Generation) -> set[str]:
    """The roles of what was sent for the clip whose Content Credentials are to go into its own."""
    to_carry = {key for key, goes_along in _sent_with_some(generation).items() if goes_along}
    return {role for role, key in generation.inputs.items() if key in to_carry}


def _sent_with_some(generation: Generation) -> dict[str, bool]:
    """Key of what was sent with Content Credentials → whether these are to go along."""
    rows = dict(generation.uploads.values_list("key", "sent_sha256")) if generation.inputs else {}
    return {key: files.credentials_key(key) in rows for key, sha256 in rows.items() if sha256}


def stored_beside(key: str) -> bytes:
    """What the upload under ``key`` brought along for the clip's own; empty where that is left out."""
    try:
        with default_storage.open(files.credentials_key(key)) as stored:
            return bytes(stored.read())
    except FileNotFoundError:
        return b""


def _archive_of(own: IO[bytes], media_type: str, *, wait_seconds: float) -> tuple[int, bytes]:
    """How many bytes its Content Credentials have, and these, unless they are too many."""
    said = {"media_type": media_type, "most_bytes": MOST_BYTES}
    with _place(wait_seconds), sandbox.reading(_PROGRAM, own, said, wall_seconds=WALL_SECONDS) as (announced, out):
        size = announced.get("bytes")
        if not isinstance(size, int) or size < 0:
            raise sandbox.FileUnreadable("is damaged.")
        archive = out.read(size) if size <= MOST_BYTES else b""
        if size <= MOST_BYTES and len(archive) != size:
            raise sandbox.FileUnreadable("is damaged.")
        return size, archive


@contextmanager
def _place(wait_seconds: float) -> Iterator[None]:
    """The block is one of the ``AT_ONCE`` that have a file read."""
    database.give_back()
    if not _places.acquire(timeout=max(0.0, min(wait_seconds, page_deadline.seconds_left()))):
        raise Unavailable(
            "busy",
            _("We're reading a lot of files right now."),
            next_step=_("Nothing was charged. Try again in a minute."),
        )
    try:
        yield
    finally:
        _places.release()
