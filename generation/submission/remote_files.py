"""Files that a request names instead of holding them: by an address on the internet, or spelled out in a data URI."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile, UploadedFile

from accounts.caller import Caller
from generation.submission import uploads
from gpu_worker.families import ROLES, Kind
from loremotion import outbound, page_deadline
from loremotion.refusals import Invalid, TooMany
from loremotion.stream_limits import StreamLimit

MOST_AT_ONCE: Final = 2
"""Addresses that a process fetches from at a time for one workspace."""
MOST_OF_A_NETWORK: Final = 4
"""For all workspaces of one network, so that whoever has many leaves others a place."""
MOST_IN_ALL: Final = 8
"""Each keeps a thread while it lasts."""
_DATA: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_fetches = StreamLimit("fetches", most_in_all=MOST_IN_ALL)
_fetches_of_networks = StreamLimit("fetches")


def is_data(said: str) -> bool:
    """Whether it spells a file out."""
    return said[:5].lower() == "data:"


def is_address(said: str) -> bool:
    """Whether it is the address of a file."""
    return said[:8].lower().startswith(("https://", "http://"))


def is_named(said: str) -> bool:
    """Whether it names a file in either way, and no clip."""
    return is_data(said) or is_address(said)


def name_at(address: str) -> str:
    """What the file is called there; empty where that is not told."""
    return urlsplit(address).path.rpartition("/")[2]


def refuse_strangers(addresses: Mapping[str, str], caller: Caller) -> None:
    """Refuse addresses by role of whoever has neither a key nor an account.

    Raises:
        Invalid: it is such a caller.
    """
    if addresses and caller.workspace is None:
        role = next(iter(addresses))
        raise _refuse(role, "Only an API key or an account can name a file by its address.", "Send the file itself.")


def fetch(addresses: Mapping[str, str], caller: Caller, *, network: str) -> dict[str, UploadedFile[Any]]:
    """The files at the addresses by role, as if they had been sent.

    Raises:
        Invalid: one cannot be had from there, or is larger than such a file may be.
        TooMany: as many are being fetched as may be, for this workspace, for its network or in all.
    """
    refuse_strangers(addresses, caller)
    return {role: _fetched(role, address, caller, network) for role, address in addresses.items()}


def spelled_out(role: str, said: str) -> UploadedFile[Any]:
    """The file that a data URI holds, as if it had been sent.

    Raises:
        Invalid: it cannot be read.
    """
    head = _DATA.match(said)
    if head is None:
        raise _refuse(role, "The data URI can't be read.", "Write it as data:image/png;base64,… .")
    body = said[head.end() :]
    try:
        content = b64decode(body, validate=True) if head[3] else unquote_to_bytes(body)
    except (binascii.Error, ValueError):
        raise _refuse(role, "The data URI isn't valid base64.", "Encode the file's bytes again.") from None
    return InMemoryUploadedFile(BytesIO(content), role, role, head[1], len(content), None)


def _fetched(role: str, url: str, caller: Caller, network: str) -> UploadedFile[Any]:
    if page_deadline.seconds_left() <= 0:  # several slow ones would add up to minutes
        raise _refuse(role, "The files took too long to fetch.", "Send them themselves.")
    most_bytes = uploads.MAX_BYTES[ROLES[role].kind if role in ROLES else Kind.PICTURE]
    file = TemporaryUploadedFile(name_at(url) or role, None, 0, None)
    try:
        with _place_of(caller, network):
            file.size = outbound.fetch(url, into=file, most_bytes=most_bytes)
    except outbound.Unreachable as problem:
        raise _refuse(role, f"The file could not be fetched. {problem}", "Send the file itself.") from problem
    except Invalid as problem:
        raise _refuse(role, problem.message, problem.next_step) from problem
    file.seek(0)
    return file


@contextmanager
def _place_of(caller: Caller, network: str) -> Iterator[None]:
    """The block is one of those that may fetch at the same time.

    Raises:
        TooMany: none of them has ended.
    """
    assert caller.workspace is not None
    try:
        slots = [_fetches.take(caller.workspace.id, most=MOST_AT_ONCE)]
        slots.append(_fetches_of_networks.take(network, most=MOST_OF_A_NETWORK))
    except TooMany as refusal:
        whose = "" if refusal.code == "busy" else " for you"
        raise TooMany(
            "busy" if refusal.code == "busy" else "too_many_fetches",
            f"We're fetching as many files{whose} as we can at once.",
            next_step="Try again in a few seconds, or send the file itself.",
            retry_after_seconds=refusal.retry_after_seconds,
        ) from None
    try:
        yield
    finally:
        for slot in slots:
            slot.release()


def _refuse(role: str, message: str, next_step: str) -> Invalid:
    return Invalid(f"invalid_{role}", message, next_step=next_step, field=role)
