"""A finished file from a GPU host that shares no folder with us: taken once, and only while its attempt is open.

Once its bytes are there, others are refused, so nobody who learns the address later replaces a film that people have
seen. The same bytes again get the same answer, for a host that did not hear the first one.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Final

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from generation.models import Generation, State
from generation.storage import files
from generation.storage.files import CLIP, POSTER, Permit
from loremotion.row_security import across_workspaces

logger = logging.getLogger(__name__)

CONTENT_TYPES: Final = {CLIP: "video/mp4", POSTER: "image/jpeg"}
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Announced:
    """What a host says of the body that it sends."""

    content_type: str
    size_bytes: int | None

    @classmethod
    def by(cls, headers: Mapping[str, str]) -> Announced:
        length = headers.get("Content-Length", "")
        size_bytes = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None
        return cls(headers.get("Content-Type", ""), size_bytes)


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
        return _keep(permit, arriving, file.digest.hexdigest())
    except OSError as problem:
        if problem.errno not in _FULL:
            raise
        logger.critical("A finished file cannot be stored: %s", problem.strerror)
        return HTTPStatus.INSUFFICIENT_STORAGE
    finally:
        default_storage.delete(arriving)


@transaction.atomic
def _keep(permit: Permit, arriving: str, digest: str) -> HTTPStatus:
    """Give a file that has arrived its name, unless the attempt ended meanwhile or has delivered already."""
    generation = _open_attempt(permit).select_for_update().first()
    if generation is None:
        return HTTPStatus.NOT_FOUND
    delivered = generation.delivered or {}
    place = f"{generation.attempt}/{permit.role}"
    if place in delivered:
        return HTTPStatus.NO_CONTENT if delivered[place] == digest else HTTPStatus.CONFLICT
    files.give_name(arriving, permit.key)
    generation.delivered = {**delivered, place: digest}
    generation.save(update_fields=["delivered"])
    return HTTPStatus.NO_CONTENT


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
