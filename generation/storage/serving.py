"""The bytes of a clip: out to whoever owns it, in from the worker that made it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http import HTTPStatus
from typing import IO, Any
from uuid import UUID
from zlib import crc32

from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.utils.cache import get_conditional_response
from django.utils.text import slugify
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from accounts import tenancy
from accounts.roles import Action
from generation.access import own_clip
from generation.models import Clip
from generation.recipes import Recipe
from generation.storage import arrivals, conversions, files
from generation.storage.store import BROWSER_SECONDS, HOST_SECONDS, SignedPut, store
from loremotion.bodies import limits_body
from loremotion.stream_limits import LimitedStream, StreamLimit

CHUNK_BYTES = 256 * 1024
MOST_SENT_AT_ONCE = 32
"""Files that one process sends to one workspace. A page shows a few, and a player asks for two or three parts."""
_RANGE = re.compile(r"^bytes=([0-9]*)-([0-9]*)$")
_sent = StreamLimit(gettext_lazy("files"))
_MOST_DIGITS = 18  # no file is larger, and int() refuses thousands of digits


class InPieces(LimitedStream):
    """A file that is sent piece by piece: under ASGI, Django would read all of it into memory first."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        next_piece = sync_to_async(partial(next, iter(self), None), thread_sensitive=False)
        while (piece := await next_piece()) is not None:
            yield piece


class StoredFile(InPieces):
    """One out of the storage.

    Raises:
        TooMany: ``reader`` is being sent as many files as may be at once. None is counted for nobody.
    """

    def __init__(self, parts: Iterator[bytes], *, reader: UUID | None, **more: Any) -> None:
        super().__init__(parts, slot=_sent.take(reader, most=MOST_SENT_AT_ONCE), **more)


@require_safe
def clip(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """Serve the MP4. ``?download`` gives it a name, a Save dialogue and its recipe."""
    own = own_clip(tenancy.caller_for(request, Action.READ_CLIPS), generation_id)
    tail = Recipe.of(own.generation).to_box() if "download" in request.GET else b""
    return serve_clip(request, own, tail=tail, download_name=download_name(request, own.generation.prompt, "mp4"))


@require_safe
def poster(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """Serve the still. ``?download`` gives it a name and a Save dialogue."""
    own = own_clip(tenancy.caller_for(request, Action.READ_CLIPS), generation_id)
    return serve_poster(request, own, download_name=download_name(request, own.generation.prompt, "jpg"))


@require_safe
def converted_clip(request: HttpRequest, generation_id: UUID, suffix: str) -> HttpResponseBase:
    """Serve the clip as another kind of file, which is made now if nobody asked for it before."""
    if not conversions.is_offered():
        raise Http404
    own = own_clip(tenancy.caller_for(request, Action.READ_CLIPS), generation_id)
    return serve_converted(request, own, suffix)


def serve_converted(request: HttpRequest, own: Clip, suffix: str) -> HttpResponseBase:
    """Serve the clip as another kind of file to its workspace. Raises as ``conversions.ensure``."""
    key = conversions.ensure(own, suffix)
    return serve_file(
        request,
        key,
        conversions.TYPES[suffix],
        reader=own.generation.workspace_id,
        etag=f'"{own.served_sha256}-{suffix}"',
        download_name=download_name(request, own.generation.prompt, suffix),
    )


def download_name(request: HttpRequest, prompt: str, suffix: str) -> str:
    """The name under which a file is saved; empty where it is shown."""
    return f"{slugify(prompt)[:60] or 'clip'}.{suffix}" if "download" in request.GET else ""


def serve_clip(request: HttpRequest, own: Clip, *, tail: bytes = b"", download_name: str = "") -> HttpResponseBase:
    """Serve the MP4 to the workspace that it belongs to, with ``tail`` behind it."""
    key = own.key
    if tail and store().takes_uploads:
        key, tail = _with_recipe(own, tail), b""
    return serve_file(
        request,
        key,
        "video/mp4",
        reader=own.generation.workspace_id,
        etag=f'"{own.served_sha256}-{crc32(tail)}"' if tail else f'"{own.served_sha256}"',
        tail=tail,
        download_name=download_name,
    )


def _with_recipe(own: Clip, box: bytes) -> str:
    """The key of the clip with its recipe behind it, as a store that sends files itself needs it."""
    key = files.recipe_key(own.generation_id)
    try:
        store().append(own.key, box, key, sha256=own.served_sha256)
    except FileNotFoundError:
        raise Http404 from None
    return key


def serve_poster(request: HttpRequest, own: Clip, *, download_name: str = "") -> HttpResponseBase:
    """Serve the picture of a clip to its workspace. It is made with the clip, and changes with it."""
    return serve_file(
        request,
        own.poster_key,
        "image/jpeg",
        reader=own.generation.workspace_id,
        etag=f'"{own.sha256}-poster"',
        download_name=download_name,
    )


def serve_file(
    request: HttpRequest,
    key: str,
    content_type: str,
    *,
    reader: UUID | None,
    etag: str = "",
    tail: bytes = b"",
    download_name: str = "",
) -> HttpResponseBase:
    """Serve a stored file: by sending whoever asks to the store, if that answers others itself, else from here.

    Raises:
        TooMany: as ``serve_range``.
    """
    address = store().sign_get(
        key,
        method=request.method or "GET",
        content_type=content_type,
        download_name=download_name,
        seconds=BROWSER_SECONDS,
    )
    if address is not None:
        return _sent_to(address, kept_seconds=BROWSER_SECONDS // 3)
    response = serve_range(request, key, content_type, reader=reader, etag=etag, tail=tail)
    if download_name:
        response["Content-Disposition"] = f'attachment; filename="{download_name}"'
    return response


def _sent_to(address: str, *, kept_seconds: int) -> HttpResponseBase:
    """The redirect, which a player may use again for the next part as long as the address is good for a while."""
    response = HttpResponseRedirect(address)
    response["Cache-Control"] = f"private, max-age={kept_seconds}" if kept_seconds else "no-store"
    return response


def serve_range(
    request: HttpRequest, key: str, content_type: str, *, reader: UUID | None, etag: str = "", tail: bytes = b""
) -> HttpResponseBase:
    """Send a stored file, whole or the one byte range that a player asks for (RFC 9110 §14).

    Args:
        reader: the workspace that it is sent to, which bounds how many are at once; None for workers and staff.
        etag: changes with the file's bytes. Who has those is answered 304, and who has others gets no part to put
            behind them; empty where nobody comes back.
        tail: follows the file's bytes as if it was part of it.

    Raises:
        TooMany: as many files as may be are on their way to the reader.
    """
    if not default_storage.exists(key):
        raise Http404("The file is not in the storage.")
    if etag and (decided := get_conditional_response(request, etag=etag)) is not None:
        return _kept_for_an_hour(decided, etag)
    stored = default_storage.size(key)
    size = stored + len(tail)
    wanted = _RANGE.match(request.headers.get("Range", "")) if _is_same(request, etag) else None
    if wanted is None or wanted.groups() == ("", ""):
        response = StoredFile(_part(key, 0, size - 1, stored, tail), reader=reader, content_type=content_type)
        response["Content-Length"] = str(size)
    else:
        first, last = _bounds(wanted, size)
        if first > last or first >= size:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
        response = StoredFile(
            _part(key, first, last, stored, tail), reader=reader, status=206, content_type=content_type
        )
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
        response["Content-Length"] = str(last - first + 1)
    response["Accept-Ranges"] = "bytes"
    return _kept_for_an_hour(response, etag)


def _is_same(request: HttpRequest, etag: str) -> bool:
    """Whether a part may be sent: the rest of a file of which the reader has the beginning must be that file's."""
    return request.headers.get("If-Range", etag) == etag


def _kept_for_an_hour(response: HttpResponseBase, etag: str) -> HttpResponseBase:
    response["Cache-Control"] = "private, max-age=3600"
    if etag:
        response["ETag"] = etag
    return response


def _bounds(wanted: re.Match[str], size: int) -> tuple[int, int]:
    first, last = wanted.groups()
    if not first:
        return max(0, size - _bounded(last)), size - 1
    return _bounded(first), min(_bounded(last), size - 1) if last else size - 1


def _bounded(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _part(key: str, first: int, last: int, size: int, tail: bytes) -> Iterator[bytes]:
    """The bytes ``first`` to ``last`` of a stored file of ``size`` bytes with ``tail`` behind it."""
    left = min(last, size - 1) - first + 1
    if left > 0:
        with default_storage.open(key) as stored:
            stored.seek(first)
            while left > 0 and (chunk := stored.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
    if last >= size:
        yield tail[max(0, first - size) : last - size + 1]


@limits_body(files.body_limit)
@csrf_exempt
@require_http_methods(["GET", "PUT", "POST"])
def worker_file(request: HttpRequest, token: str) -> HttpResponseBase:
    """Serve and store files of GPU hosts that share no folder with us, or say where in the store the host finds and
    puts them. The signed address is the whole permission."""
    if request.method == "GET":
        key = files.key_from_token(token)
        if key is None:
            raise Http404
        address = store().sign_get(key, content_type="application/octet-stream", seconds=HOST_SECONDS)
        if address is not None:
            return _sent_to(address, kept_seconds=0)
        return serve_range(request, key, "application/octet-stream", reader=None)
    permit = files.permit_from_token(token)
    if permit is None:
        raise Http404
    if request.method == "POST":
        return _announced(request, permit)
    if store().takes_uploads:  # an address from before the bucket: the next attempt has another
        return HttpResponse(status=HTTPStatus.FORBIDDEN)
    body: IO[bytes] = request  # type: ignore[assignment]  # a request reads like a file
    return HttpResponse(status=arrivals.take(permit, body, arrivals.Announced.by(request.headers)))


def _announced(request: HttpRequest, permit: files.Permit) -> HttpResponseBase:
    try:
        answer = arrivals.announce(permit, arrivals.Announced.from_json(request.body))
    except ValueError:
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    if isinstance(answer, SignedPut):
        return JsonResponse({"url": answer.url, "headers": answer.headers}, headers={"Cache-Control": "no-store"})
    return HttpResponse(status=answer)
