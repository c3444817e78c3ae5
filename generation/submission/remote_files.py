"""Files that a request names instead of holding them: by an address on the internet, or spelled out in a data URI."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile, UploadedFile

from accounts.caller import Caller
from generation.submission import uploads
from gpu_worker.families import ROLES, Kind
from loremotion import outbound, page_deadline
from loremotion.refusals import Invalid
from loremotion.stream_limits import StreamLimit

MOST_AT_ONCE: Final = 2
"""Addresses of one workspace that a process fetches from at a time."""
MOST_IN_ALL: Final = 8
"""Each keeps a thread while it lasts."""
_DATA: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_fetches = StreamLimit("files", most_in_all=MOST_IN_ALL)


def is_address(said: str) -> bool:
    """Whether it names a file so, and no clip."""
    return said[:8].lower().startswith(("data:", "https://", "http://"))


def open_named(role: str, said: str, caller: Caller) -> UploadedFile[Any]:
    """The file that ``said`` names, as if it had been sent.

    Raises:
        Invalid: it cannot be had from there, or is larger than such a file may be.
        TooMany: as many are being fetched as may be.
    """
    if said[:5].lower() == "data:":
        return _spelled_out(role, said)
    if caller.workspace is None:
        raise _refuse(role, "Only an API key or an account can name a file by its address.", "Send the file itself.")
    return _fetched(role, said, caller)


def _spelled_out(role: str, said: str) -> UploadedFile[Any]:
    head = _DATA.match(said)
    if head is None:
        raise _refuse(role, "The data URI can't be read.", "Write it as data:image/png;base64,… .")
    body = said[head.end() :]
    try:
        content = b64decode(body, validate=True) if head[3] else unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        raise _refuse(role, "The data URI isn't valid base64.", "Encode the file's bytes again.") from None
    return InMemoryUploadedFile(BytesIO(content), role, role, head[1], len(content), None)


def _fetched(role: str, url: str, caller: Caller) -> UploadedFile[Any]:
    if page_deadline.seconds_left() <= 0:  # several slow ones would add up to minutes
        raise _refuse(role, "The files took too long to fetch.", "Send them themselves.")
    workspace = caller.workspace
    slot = _fetches.take(workspace.id if workspace is not None else None, most=MOST_AT_ONCE)
    most_bytes = uploads.MAX_BYTES[ROLES[role].kind if role in ROLES else Kind.PICTURE]
    file = TemporaryUploadedFile(urlsplit(url).path.rpartition("/")[2] or role, None, 0, None)
    try:
        file.size = outbound.fetch(url, into=file, most_bytes=most_bytes)
    except outbound.Unreachable as problem:
        raise _refuse(role, f"The file could not be fetched. {problem}", "Send the file itself.") from problem
    except Invalid as problem:
        raise _refuse(role, problem.message, problem.next_step) from problem
    finally:
        slot.release()
    file.seek(0)
    return file


def _refuse(role: str, message: str, next_step: str) -> Invalid:
    return Invalid(f"invalid_{role}", message, next_step=next_step, field=role)
