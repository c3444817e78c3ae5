"""A finished file from a GPU host that shares no folder with us: taken once, and only while its attempt is open.

A folder takes the bytes from the request. To a bucket the host brings them itself: it announces the file, is given an
address for exactly those bytes under a name of its attempt, and announces it again; then the file gets its name. Of
each attempt and role one file is on its way, however many a host announces: another takes its place.

Once its bytes are there, others are refused, so nobody who learns the address later replaces a film that people have
seen. The same bytes again get the same answer, for a host that did not hear the first one. A snapshot of an unfinished
render is different: nobody sees it, and each replaces the one before.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Final

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from generation.models import Generation, State
from generation.storage.files import CLIP, POSTER, SNAPSHOT, Permit
from generation.storage.store import SignedPut, store
from loremotion.row_security import across_workspaces

logger = logging.getLogger(__name__)

CONTENT_TYPES: Final = {CLIP: "video/mp4", POSTER: "image/jpeg", SNAPSHOT: "application/octet-stream"}
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
COPY_SECONDS: Final = 300.0
"""So long a bucket may take to give a file its name, in which no other attempt's file gets it."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a host says of the body that it sends, or of the file that it has."""

    content_type: str
    size_bytes: int | None
    sha256: str = ""

    @classmethod
    def by(cls, headers: Mapping[str, str]) -> Announced:
        length = headers.get("Content-Length", "")
        size_bytes = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
        return cls(headers.get("Content-Type", ""), size_bytes)

    @classmethod
    def from_json(cls, body: bytes) -> Announced:
        """
        Raises:
            ValueError: it announces no file.
        """
        said = json.loads(body)
        if not isinstance(said, dict):
            raise ValueError("it is no object")
        content_type, size_bytes, sha256 = said.get("content_type"), said.get("size_bytes"), said.get("sha256")
        if not (isinstance(content_type, str) and type(size_bytes) is int and isinstance(sha256, str)):
            raise ValueError("it lacks a content type, a size or a digest")
        if size_bytes < 1 or not _SHA256.fullmatch(sha256):
            raise ValueError("its size or digest is none")
        return cls(content_type, size_bytes, sha256)


@across_workspaces("a GPU host is of no workspace; its address names one attempt")
def take(permit: Permit, body: IO[bytes], announced: Announced) -> HTTPStatus:
    """Store ``body`` as the file that the permit is for, and return the status that says what became of it.

    Whatever is not taken leaves nothing behind.
    """
    if announced.content_type != CONTENT_TYPES[permit.role]:
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    if announced.size_bytes is None:
        return HTTPStatus.LENGTH_REQUIRED
    if not _open_attempt(permit).exists():
        return HTTPStatus.NOT_FOUND
    arriving = f"{permit.key}.{secrets.token_hex(6)}.arriving"
    file = _Hashed(body)
    try:
        default_storage.save(arriving, file)
        if file.size_bytes != announced.size_bytes:
            return HTTPStatus.BAD_REQUEST
        if permit.role == SNAPSHOT:
            return _replace_snapshot(permit, arriving)
        return _keep(permit, arriving, file.digest.hexdigest())
    except OSError as problem:
        if problem.errno not in _FULL:
            raise
        logger.critical("A finished file cannot be stored: %s", problem.strerror)
        return HTTPStatus.INSUFFICIENT_STORAGE
    finally:
        default_storage.delete(arriving)


@across_workspaces("a GPU host is of no workspace; its address names one attempt")
def announce(permit: Permit, announced: Announced) -> HTTPStatus | SignedPut:
    """Say where the host may put the file that it announces, or what became of it.

    Put and announced once more, it gets its name. So the host repeats both until it hears that the file is there.
    """
    if announced.content_type != CONTENT_TYPES[permit.role]:
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    size_bytes = announced.size_bytes or 0
    if size_bytes > permit.most_bytes:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    generation = _open_attempt(permit).first()
    if generation is None:
        return HTTPStatus.NOT_FOUND
    if permit.role == SNAPSHOT:
        return _announce_snapshot(permit, size_bytes, announced.sha256)
    claimed = (generation.delivered or {}).get(_place(generation, permit))
    if claimed is not None and claimed != announced.sha256:
        return HTTPStatus.CONFLICT
    if claimed is not None and store().holds(permit.key, size_bytes=size_bytes, sha256=claimed):
        return HTTPStatus.NO_CONTENT
    arriving = f"{permit.key}.{generation.attempt}.arriving"
    if store().holds(arriving, size_bytes=size_bytes, sha256=announced.sha256):
        return _keep_in_bucket(permit, arriving, announced.sha256)
    signed = store().sign_put(
        arriving, content_type=announced.content_type, size_bytes=size_bytes, sha256=announced.sha256
    )
    return HTTPStatus.METHOD_NOT_ALLOWED if signed is None else signed


def _announce_snapshot(permit: Permit, size_bytes: int, sha256: str) -> HTTPStatus | SignedPut:
    """Say where exactly these bytes go: to their place, since a store replaces a file at once and whole."""
    if store().holds(permit.key, size_bytes=size_bytes, sha256=sha256):
        return HTTPStatus.NO_CONTENT
    signed = store().sign_put(permit.key, content_type=CONTENT_TYPES[SNAPSHOT], size_bytes=size_bytes, sha256=sha256)
    return HTTPStatus.METHOD_NOT_ALLOWED if signed is None else signed


@transaction.atomic
def _replace_snapshot(permit: Permit, arriving: str) -> HTTPStatus:
    """Give a snapshot that has arrived its name, unless the attempt ended meanwhile: it is the next one's then."""
    if not _open_attempt(permit).select_for_update().exists():
        return HTTPStatus.NOT_FOUND
    store().rename(arriving, permit.key)
    return HTTPStatus.NO_CONTENT


def _place(generation: Generation, permit: Permit) -> str:
    """Under which an attempt's file is noted as delivered."""
    return f"{generation.attempt}/{permit.role}"


@transaction.atomic
def _keep(permit: Permit, arriving: str, digest: str) -> HTTPStatus:
    """Give a file that has arrived its name, unless the attempt ended meanwhile or has delivered already."""
    generation = _open_attempt(permit).select_for_update().first()
    if generation is None:
        return HTTPStatus.NOT_FOUND
    delivered = generation.delivered or {}
    place = _place(generation, permit)
    if place in delivered:
        return HTTPStatus.NO_CONTENT if delivered[place] == digest else HTTPStatus.CONFLICT
    store().rename(arriving, permit.key)
    generation.delivered = {**delivered, place: digest}
    generation.save(update_fields=["delivered"])
    return HTTPStatus.NO_CONTENT


def _keep_in_bucket(permit: Permit, arriving: str, digest: str) -> HTTPStatus:
    """Give a file that has arrived its name. The bucket copies it, which takes a while: no row is locked meanwhile."""
    refused = _claim(permit, digest)
    if refused is not None:
        if refused != HTTPStatus.SERVICE_UNAVAILABLE:
            default_storage.delete(arriving)
        return refused
    try:
        store().rename(arriving, permit.key, sha256=digest)
    except FileNotFoundError:  # another was put in its place, or somebody else was quicker
        return HTTPStatus.SERVICE_UNAVAILABLE
    if _note_copied(permit):
        return HTTPStatus.NO_CONTENT
    default_storage.delete(permit.key)
    return HTTPStatus.NOT_FOUND


@transaction.atomic
def _claim(permit: Permit, digest: str) -> HTTPStatus | None:
    """Have these bytes be what the attempt delivered, and keep other attempts waiting; or return why not."""
    generation = _open_attempt(permit).select_for_update().first()
    if generation is None:
        return HTTPStatus.NOT_FOUND
    delivered = generation.delivered or {}
    place = _place(generation, permit)
    if delivered.get(place, digest) != digest:
        return HTTPStatus.CONFLICT
    attempt, until = delivered.get(_copying(permit), (generation.attempt, 0.0))
    if attempt != generation.attempt and time.time() < until:
        return HTTPStatus.SERVICE_UNAVAILABLE
    copying = [generation.attempt, time.time() + COPY_SECONDS]
    generation.delivered = {**delivered, place: digest, _copying(permit): copying}
    generation.save(update_fields=["delivered"])
    return None


@transaction.atomic
def _note_copied(permit: Permit) -> bool:
    """Let other attempts deliver again. Returns whether anybody may still need the file."""
    generation = Generation.objects.filter(id=permit.generation_id).select_for_update().first()
    if generation is None:
        return False
    delivered = generation.delivered or {}
    generation.delivered = {place: said for place, said in delivered.items() if place != _copying(permit)}
    generation.save(update_fields=["delivered"])
    return generation.deleted_at is None and (generation.is_open or generation.state == State.SUCCEEDED)


def _copying(permit: Permit) -> str:
    """Under which it is noted whose file is being copied, and until when."""
    return f"copying/{permit.role}"


def _open_attempt(permit: Permit) -> QuerySet[Generation]:
    attempts = Generation.objects.filter(id=permit.generation_id, state__in=[State.DISPATCHED, State.RUNNING])
    if permit.attempt is None:
        return attempts.filter(has_attempt_secret=False)
    return attempts.filter(attempt=permit.attempt)


class _Hashed(File[bytes]):
    """A body that is read once: its size and digest are known when it has been stored."""

    def __init__(self, body: IO[bytes]) -> None:
        super().__init__(body, name="arriving")
        self._body = body
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while chunk := self._body.read(chunk_size or self.DEFAULT_CHUNK_SIZE):
            self.digest.update(chunk)
            self.size_bytes += len(chunk)
            yield chunk
