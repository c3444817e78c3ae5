"""A clip as a GIF, a WebM or a spritesheet: made when it is first asked for, and kept beside the MP4.

A program that may do little else makes it (``gpu_worker.media.conversion``). It takes PyAV, which a web host needs for
nothing else: where that is not installed, neither is offered.
"""

from __future__ import annotations

import functools
import secrets
import shutil
import tempfile
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

import redis
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import gpu_worker
from generation.models import Clip, Generation
from generation.storage import files, spritesheets
from generation.storage.store import store
from gpu_worker import sandbox
from loremotion import database, page_deadline
from loremotion.refusals import Conflict, TooMany, Unavailable
from loremotion.stream_limits import Slot, StreamLimit

TYPES: Final = {"gif": "image/gif", "webm": "video/webm", spritesheets.SUFFIX: "image/jpeg"}
"""By the suffix of the file."""
AT_ONCE: Final = 1
"""In one process: the conversion of a long clip takes a processor for a minute."""
MOST_OF_ONE: Final = 1
"""Conversions of one workspace that are made or waited for in one process, so that it keeps nobody else's place."""
WAIT_SECONDS: Final = 20.0
FAILURE_KEPT_SECONDS: Final = 3600
"""For so long a clip that could not be converted is not tried again."""
WALL_SECONDS: Final = 90.0
_MOST_BYTES: Final = 64 * 1024**2
_PROGRAM: Final = Path(gpu_worker.__path__[0], "media_sandbox.py")
_places = threading.BoundedSemaphore(AT_ONCE)
_own = StreamLimit(gettext_lazy("conversions"))


@functools.cache
def is_offered() -> bool:
    """Whether this host can make them."""
    return find_spec("av") is not None


def ensure(clip: Clip, suffix: str) -> str:
    """The storage key of the clip's file with this suffix, which is made if there is none.

    Raises:
        Conflict: it cannot be made of this clip.
        Http404: the clip was deleted meanwhile.
        TooMany: another is being made for the same workspace.
        Unavailable: others are being made.
    """
    key = files.converted_key(clip.generation_id, suffix)
    if default_storage.exists(key):
        return key
    if _is_known_to_fail(clip, suffix):
        raise _not_converted(suffix)
    slot = _slot_of(clip.generation.workspace_id)
    try:
        database.give_back()
        if not _places.acquire(timeout=max(0.0, min(WAIT_SECONDS, page_deadline.seconds_left()))):
            raise Unavailable(
                "busy", _("We're converting other clips right now."), next_step=_("Try again in a minute.")
            )
        try:
            if not default_storage.exists(key):
                _make(clip, suffix, key)
        finally:
            _places.release()
    finally:
        slot.release()
    return key


def _slot_of(workspace_id: UUID) -> Slot:
    try:
        return _own.take(workspace_id, most=MOST_OF_ONE)
    except TooMany:
        raise TooMany(
            "too_many_conversions",
            _("We're converting another clip for you already."),
            next_step=_("Try again when it is ready."),
            retry_after_seconds=10,
        ) from None


def _is_known_to_fail(clip: Clip, suffix: str) -> bool:
    try:
        return cache.get(_failure(clip, suffix)) is not None
    except redis.RedisError:
        return False


def _note_failure(clip: Clip, suffix: str) -> None:
    with suppress(redis.RedisError):
        cache.set(_failure(clip, suffix), True, timeout=FAILURE_KEPT_SECONDS)


def _failure(clip: Clip, suffix: str) -> str:
    return f"unconverted:{clip.sha256}:{suffix}"


def _make(clip: Clip, suffix: str, key: str) -> None:
    try:
        with default_storage.open(clip.key) as stored, tempfile.TemporaryFile() as own:
            shutil.copyfileobj(stored, own)
            own.seek(0)
            layout = spritesheets.Layout.of(clip).said() if suffix == spritesheets.SUFFIX else {}
            content = convert(own, suffix, **layout)
    except FileNotFoundError:
        raise Http404 from None
    except Conflict:
        _note_failure(clip, suffix)
        raise
    arriving = f"{key}.{secrets.token_hex(6)}.arriving"
    try:
        default_storage.save(arriving, ContentFile(content))
        store().rename(arriving, key)
    finally:
        default_storage.delete(arriving)
    if not Generation.objects.kept().filter(id=clip.generation_id, clip__isnull=False).exists():
        default_storage.delete(key)  # whoever deleted the clip saw no such file yet
        raise Http404


def convert(file: IO[bytes], suffix: str, **layout: Any) -> bytes:
    """What the MP4 is as another file; of a spritesheet, laid out so.

    Raises:
        Conflict: it could not be made.
    """
    said = {"kind": "conversion", "format": suffix, **layout}
    try:
        with sandbox.reading(_PROGRAM, file, said, wall_seconds=WALL_SECONDS) as (announced, out):
            size = announced.get("bytes")
            content = out.read(size) if isinstance(size, int) and 0 < size <= _MOST_BYTES else b""
        if not content or len(content) != size:
            raise sandbox.FileUnreadable("is damaged or cut off.")
    except sandbox.FileUnreadable:
        raise _not_converted(suffix) from None
    return content


def _not_converted(suffix: str) -> Conflict:
    name = "spritesheet" if suffix == spritesheets.SUFFIX else suffix.upper()
    return Conflict(
        "not_converted",
        _("We couldn't make a %(name)s of this clip.") % {"name": name},
        next_step=_("Download the MP4 instead."),
    )
