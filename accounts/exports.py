"""What somebody sees of their workspace, written while it is sent: neither memory nor a disk holds it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict
from typing import IO, Final, cast
from uuid import UUID
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import redis
from asgiref.sync import sync_to_async
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy

from accounts import audit, request_log
from accounts.caller import Caller
from accounts.models import ApiKey, Membership, Workspace
from accounts.roles import Action
from accounts.workspace_data import ExportedFile, all_workspace_data
from loremotion import database
from loremotion.stream_limits import LimitedStream, StreamLimit

logger = logging.getLogger(__name__)

CHUNK_BYTES = 256 * 1024
MOST_AT_ONCE: Final = 4
"""Exports that one process sends to one workspace: each reads all that there is."""
_exports = StreamLimit(gettext_lazy("exports"))


def files_of(reader: Caller) -> Iterator[ExportedFile]:
    """Yield the files of an export: what accounts keeps, then what the other apps do, as far as the reader sees it."""
    workspace = reader.workspace
    assert workspace is not None
    members = Membership.objects.filter(workspace=workspace).select_related("user").order_by("id")
    about = {
        "id": workspace.id,
        "name": workspace.name,
        "kind": workspace.kind,
        "created_at": workspace.created_at,
        "members": [
            {
                "email": member.user.email,
                "name": member.user.name,
                "role": member.role,
                "since": member.created_at,
            }
            for member in members
        ],
        "invitations": list(workspace.invitations.values("email", "role", "created_at", "expires_at")),
        "api_keys": list(
            workspace.api_keys.values("name", "prefix", "scopes", "origins", "created_at", "last_used_at")
        ),
    }
    yield ExportedFile("workspace.json", json.dumps(about, indent=1, default=str, ensure_ascii=False))
    yield ExportedFile("audit.csv", audit.as_csv(workspace))
    if reader.may(Action.MANAGE_KEYS):
        yield from _requests_of_keys(workspace)
    for holdings in all_workspace_data():
        yield from holdings.export(workspace, reader=reader)


def _requests_of_keys(workspace: Workspace) -> Iterator[ExportedFile]:
    """What keys asked last, line by line, as far as it is kept still."""
    used = request_log.used_lately(ApiKey.objects.filter(workspace=workspace))
    newest = {key.line_id: key for key in used.order_by("id")}
    try:
        kept = [
            {"key": key.prefix, "requests": [asdict(entry) for entry in request_log.last_requests(key)]}
            for key in newest.values()
        ]
    except redis.RedisError as problem:
        logger.warning("The last requests of keys are not in the export of %s: %s", workspace.id, problem)
        return
    yield ExportedFile("api_requests.json", json.dumps(kept, indent=1, ensure_ascii=False))


def zip_export(reader: Caller) -> Iterator[bytes]:
    """Yield the bytes of the export's zip, in pieces."""
    return zip_of(files_of(reader))


def zip_of(files: Iterable[ExportedFile]) -> Iterator[bytes]:
    """Yield the zip's bytes, in pieces. Clips are compressed already, so nothing is compressed again."""
    sink = _Sink()
    now = timezone.now().timetuple()[:6]
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for file in files:
            with archive.open(ZipInfo(file.path, date_time=now), "w", force_zip64=True) as entry:
                for chunk in _chunks(file.content):
                    entry.write(chunk)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


def download(parts: Iterator[bytes], *, name: str, content_type: str, reader: UUID) -> LimitedStream:
    """Return the answer that sends ``parts`` as a file.

    Raises:
        TooMany: as many exports as may be are on their way to this workspace.
    """
    response = LimitedStream(stream(parts), slot=_exports.take(reader, most=MOST_AT_ONCE), content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def csv_file(lines: Iterator[str], *, name: str, reader: UUID) -> LimitedStream:
    """Return the answer that sends ``lines`` as a table.

    Raises:
        TooMany: as ``download``.
    """
    return download(in_chunks(lines), name=name, content_type="text/csv; charset=utf-8", reader=reader)


def stream(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """One piece at a time, in the language that is in use now. Django would gather the pieces of a plain iterator
    first, all of them in memory."""
    return _stream(parts, translation.get_language())


async def _stream(parts: Iterator[bytes], language: str | None) -> AsyncIterator[bytes]:
    while (part := await sync_to_async(_next_of)(parts, language)) is not None:
        yield part


def _next_of(parts: Iterator[bytes], language: str | None) -> bytes | None:
    try:
        with translation.override(language):
            return next(parts, None)
    finally:
        database.give_back()  # until whoever reads has read this one


def _chunks(content: str | Iterator[str] | IO[bytes]) -> Iterator[bytes]:
    if isinstance(content, str):
        yield content.encode()
    elif not hasattr(content, "read"):
        yield from in_chunks(content)
    else:
        with cast(IO[bytes], content) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def in_chunks(texts: Iterable[str]) -> Iterator[bytes]:
    """Yield the texts in pieces that are worth being sent."""
    chunk = bytearray()
    for text in texts:
        chunk += text.encode()
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


class _Sink:
    """A file that is written to and hands over what was written."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._written.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """There is nothing to close."""

    def taken(self) -> bytes:
        written, self._written = b"".join(self._written), []
        return written
