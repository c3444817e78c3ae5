"""What a file says of where it comes from, and whether it was made here: what ``/verify/`` shows.

Marks get lost when a video is cut, encoded anew or sent through a messenger. So what is not found proves nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, Self
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage

from generation import recipes
from generation.models import Clip
from generation.provenance import certificate, invisible_ids, manifest, media_types, picture_hashes, picture_search
from generation.sharing import public
from generation.storage.s3 import StoreUnavailable
from gpu_worker import sandbox
from loremotion import database
from loremotion.row_security import across_workspaces

WALL_SECONDS: Final = 10.0
FILE, CREDENTIALS, INVISIBLE_ID, PICTURE = "file", "credentials", "invisible_id", "picture"
_PROGRAM: Final = Path(__file__).with_name("inspection_sandbox.py")
_MOST_REPLY_BYTES: Final = 256 * 1024
_MOST_MANIFEST_BYTES: Final = 256 * 1024
"""Given back within the answer. Those of a clip that was made from many others are larger, and are not."""
_READ_AT_ONCE_BYTES: Final = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The Content Credentials in a file. All words are the file's own."""

    state: str
    """Invalid: the file was changed since, or the signature is none. Valid: it says what its signer said. Trusted: and
    the signer's issuer is one of this site's."""
    failures: tuple[str, ...]
    """C2PA's codes."""
    signed_by: str
    signed_at: str
    made_with: str
    source_types: tuple[str, ...]
    render_id: str
    ingredients: tuple[str, ...]

    @classmethod
    def from_wire(cls, found: Mapping[str, Any]) -> Self:
        """What the sandbox says.

        Raises:
            KeyError, TypeError, ValueError: it says something else.
        """
        texts: Any = {name: found[name] for name in ("state", "signed_by", "signed_at", "made_with", "render_id")}
        lists: Any = {name: tuple(found[name]) for name in ("failures", "source_types", "ingredients")}
        if not all(isinstance(each, str) for each in (*texts.values(), *chain.from_iterable(lists.values()))):
            raise ValueError("not text")
        return cls(**texts, **lists)

    @property
    def is_intact(self) -> bool:
        return self.state in ("Valid", "Trusted")

    @property
    def is_ours(self) -> bool:
        """Whether this site signed it: its issuer is believed here, and issued it to this site's name."""
        if self.state != "Trusted" or not certificate.is_configured():
            return False
        try:
            return self.signed_by == certificate.current().issued_to
        except certificate.Unusable:
            return False

    @property
    def says_a_model_made_it(self) -> bool:
        return manifest.MADE_BY_A_MODEL in self.source_types


@dataclass(frozen=True, slots=True)
class Origin:
    """A clip of this site. Nothing of whose it is, nor of its prompt."""

    model: str
    made_on: date
    """To the day, in UTC: the second would tell whoever has only a copy when somebody was at work."""
    known_by: str
    """``file``: it is that clip's, byte for byte. ``credentials``: they are ours, and name it. ``invisible_id``: its
    pictures carry that clip's, which only somebody with the site's key could have written. ``picture``: it shows nearly
    the same in the middle, which is likely a copy of it, and no proof."""
    manifest_key: str = ""
    """Of its Content Credentials, which name the clip and the second at which it was signed. Empty unless a link shows
    the clip to anybody: of what its owner keeps, a copy tells no more."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a file and about it."""

    credentials: Credentials | None
    is_damaged: bool
    """Whether it holds credentials that could not be read."""
    origin: Origin | None
    """The clip of which it is a copy, as far as can be told: see ``Origin.known_by``."""
    manifest: bytes = b""
    """The Content Credentials that this copy has lost, where its invisible id says of which shared clip it is one."""


def inspect(file: IO[bytes]) -> Inspection:
    """Look into a file that anybody sent. Keeps no connection while it is read."""
    database.give_back()
    with tempfile.TemporaryFile() as own:
        shutil.copyfileobj(file, own)
        credentials, is_damaged = _credentials_in(own)
        named = credentials.render_id if credentials is not None and credentials.is_ours else ""
        origin = _origin(_digest(own), named)
        if origin is None:
            database.give_back()
            origin = _origin_by_label(invisible_ids.read(own))
        if origin is None:
            database.give_back()
            origin = _origin_by_picture(picture_hashes.hashes_in(own))
    return Inspection(credentials, is_damaged, origin, _lost_manifest(origin))


def _lost_manifest(origin: Origin | None) -> bytes:
    if origin is None or not origin.manifest_key:
        return b""
    database.give_back()
    try:
        with default_storage.open(origin.manifest_key) as stored:
            content: bytes = stored.read(_MOST_MANIFEST_BYTES + 1)
    except (FileNotFoundError, StoreUnavailable):
        return b""  # what the file itself says holds without
    return content if len(content) <= _MOST_MANIFEST_BYTES else b""


def _credentials_in(own: IO[bytes]) -> tuple[Credentials | None, bool]:
    own.seek(0)
    media_type = media_types.of(own)
    if media_type is None:
        return None, False
    said = {"media_type": media_type, "issuers": _issuers(), "render": manifest.RENDER}
    try:
        with sandbox.reading(_PROGRAM, own, said, wall_seconds=WALL_SECONDS) as (announced, out):
            size = announced.get("bytes")
            content = out.read(size) if isinstance(size, int) and 0 < size <= _MOST_REPLY_BYTES else b""
        return _parsed(content), False
    except sandbox.FileUnreadable:
        return None, True


def _issuers() -> str:
    path = settings.C2PA_ISSUERS
    return Path(path).read_text() if path and Path(path).exists() else ""


def _parsed(content: bytes) -> Credentials | None:
    """What the program said, which may have been taken over by the file: nothing but short texts is believed."""
    try:
        found: Any = json.loads(content)
        return Credentials.from_wire(found) if found["found"] else None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise sandbox.FileUnreadable("is damaged.") from None


def _digest(own: IO[bytes]) -> str:
    """The digest of the file, without the recipe that a download has behind it."""
    recipe = recipes.find_box(own)
    left = own.seek(0, 2) if recipe is None else recipe[0]
    own.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (chunk := own.read(min(_READ_AT_ONCE_BYTES, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


@across_workspaces("whoever has the file may know that a model made it here, and which")
def _origin(digest: str, render_id: str) -> Origin | None:
    clips = Clip.objects.select_related("generation__version__model")
    clip = clips.filter(sha256=digest).order_by("created_at").first() or clips.filter(signed_sha256=digest).first()
    known_by = FILE
    if clip is None and _is_id(render_id):
        clip, known_by = clips.filter(generation=UUID(render_id)).first(), CREDENTIALS
    return _origin_of(clip, known_by)


@across_workspaces("whoever has a copy may know that a model made it here, and which")
def _origin_by_label(label_id: int | None) -> Origin | None:
    return None if label_id is None else _origin_of(invisible_ids.clip_of(label_id), INVISIBLE_ID)


@across_workspaces("whoever has a copy may know that a model made it here, and which")
def _origin_by_picture(hashes: list[str]) -> Origin | None:
    found = picture_search.nearest(hashes)
    clips = Clip.objects.select_related("generation__version__model")
    return None if found is None else _origin_of(clips.filter(generation=found).first(), PICTURE)


def _origin_of(clip: Clip | None, known_by: str) -> Origin | None:
    if clip is None:
        return None
    made_on = clip.created_at.astimezone(UTC).date()
    manifest_key = clip.manifest_key if known_by == INVISIBLE_ID and public.is_shown(clip.pk) else ""
    return Origin(clip.generation.version.model.name, made_on, known_by, manifest_key)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
