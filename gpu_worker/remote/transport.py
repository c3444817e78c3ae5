"""HTTP to a provider: bounded, guarded, and with every answer sorted into done, later, never and nobody knows.

What an account names is trusted: it may be a server in one's own network. Whatever address a provider hands out goes
to the open internet alone, over TLS: its name is resolved once, every address judged, and the connection made to one
of those. Keys go to the account's own origin and nowhere else.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from gpu_worker.open_addresses import is_open
from gpu_worker.remote.errors import (
    FAILED,
    REFUSED,
    AccountRefused,
    Busy,
    NoSuchJob,
    RemoteFailed,
    Unanswered,
    quote_provider,
)
from gpu_worker.remote.patient_line import Limit, PatientTransport

ANSWER_BYTES: Final = 4 * 1024 * 1024
"""Of an answer in JSON: a signed address and a few words, with room to spare."""
MOST_CLIP_BYTES: Final = 2 * 1024**3
MOST_REDIRECTS: Final = 3
CALL_SECONDS: Final = 90.0
"""A call as a whole, a first frame sent and all: then nobody knows whether it was taken."""
DOWNLOAD_SECONDS: Final = 900.0
"""One try at a clip's file as a whole; the next begins anew."""
SILENCE_SECONDS: Final = 60.0
_CHUNK_BYTES: Final = 1024 * 1024
_NOT_TAKEN: Final = (429, 503)
"""Statuses by which a server says that it did not begin."""
_BAD_KEY: Final = b"API_KEY_INVALID"
"""Google's reason for a key that it does not know, with status 400 (google.rpc.ErrorInfo)."""
_VIDEO_TYPES: Final = ("video/", "application/octet-stream", "application/binary")

Resolver = Callable[[str, int], Sequence[str]]


def by_dns(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class NotOpen(httpx.TransportError):
    """An address that a provider handed out leads where no request may go."""


class GuardedTransport(httpx.BaseTransport):
    """Sends what goes to ``origin`` as it is, and everything else to judged addresses of the open internet."""

    def __init__(self, origin: httpx.URL, inner: httpx.BaseTransport, resolve: Resolver = by_dns) -> None:
        self._origin = origin
        self._inner = inner
        self._resolve = resolve

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if is_same_origin(request.url, self._origin):
            return self._inner.handle_request(request)
        if request.url.scheme != "https":
            raise NotOpen("the address does not begin with https://", request=request)
        host = request.url.host
        try:
            addresses = list(dict.fromkeys(self._resolve(host, request.url.port or 443)))
        except (OSError, UnicodeError):
            addresses = []
        if not addresses or not all(is_open(address) for address in addresses):
            raise NotOpen("the address is not on the open internet", request=request)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=addresses[0])  # its Host header was written before
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def is_same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    def origin(url: httpx.URL) -> tuple[str, str, int | None]:
        return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme)

    return origin(one) == origin(other)


class Api:
    """Calls to one account."""

    def __init__(
        self,
        url: str,
        title: str,
        *,
        authorize: Callable[[], Mapping[str, str]],
        transport: httpx.BaseTransport | None = None,
        resolve: Resolver = by_dns,
    ) -> None:
        """
        Args:
            authorize: the headers that hold the key, made anew for each call.
            transport: what sends; tests put their fakes here.
        """
        self.title = title
        self._base = f"{url}/"
        self._origin = httpx.URL(url)
        self._authorize = authorize
        self._limit = Limit()
        guarded = GuardedTransport(self._origin, transport or PatientTransport(self._limit), resolve)
        self._client = httpx.Client(transport=guarded, timeout=httpx.Timeout(SILENCE_SECONDS, connect=10.0))

    def call(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """Send a request and return the object that it answers with.

        Raises:
            Busy: it was not taken; it may be later.
            NoSuchJob: 404 or 410.
            RemoteFailed: it will not be taken, however often it is sent; ``AccountRefused``: not with this key.
            Unanswered: nobody knows whether it was taken.
        """
        headers = {**self._authorize(), **sent.pop("headers", {})}
        try:
            with (
                self._limit.of(CALL_SECONDS),
                self._client.stream(method, urljoin(self._base, path), headers=headers, **sent) as response,
            ):
                content = self._read(response)
                if not response.is_success:
                    raise self._refusal(response, content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            raise Busy(f"{self.title} cannot be reached.") from problem
        except httpx.HTTPError as problem:
            raise Unanswered(f"{self.title} did not answer.") from problem
        if response.status_code == 204 or not content:
            return {}
        try:
            answer = httpx.Response(200, content=content).json()
        except (ValueError, RecursionError) as problem:
            raise Unanswered(f"{self.title} answered with something that is no JSON.") from problem
        if not isinstance(answer, dict):
            raise Unanswered(f"{self.title} answered with something that is no object.")
        return answer

    def download(self, address: str, path: Path, on_chunk: Callable[[], None]) -> None:
        """Write the clip at ``address``, which may be relative to the account's, to ``path``.

        Raises:
            Busy, NoSuchJob, RemoteFailed, Unanswered: as ``call``; a file that is no video, or too large, is refused.
        """
        url = httpx.URL(urljoin(self._base, address))
        try:
            for _ in range(MOST_REDIRECTS + 1):
                on_chunk()
                own = self._authorize() if is_same_origin(url, self._origin) else {}
                with (
                    self._limit.of(DOWNLOAD_SECONDS, on_chunk),
                    self._client.stream(
                        "GET", url, headers={**own, "Accept": "video/mp4, application/binary"}
                    ) as response,
                ):
                    if response.is_redirect:
                        url = url.join(response.headers.get("Location", ""))
                        continue
                    if not response.is_success:
                        raise self._refusal(response, self._read(response))
                    self._write(response, path, on_chunk)
                    return
        except NotOpen as problem:
            raise RemoteFailed(FAILED, f"{self.title} named a file that we do not fetch: {problem}.") from problem
        except httpx.ConnectError as problem:
            raise Busy(f"{self.title} cannot be reached.") from problem
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise Unanswered(f"{self.title} broke off the download.") from problem
        raise RemoteFailed(FAILED, f"{self.title} sends its file from one address to the next.")

    def _write(self, response: httpx.Response, path: Path, on_chunk: Callable[[], None]) -> None:
        kind = response.headers.get("Content-Type", "").lower()
        if kind and not kind.startswith(_VIDEO_TYPES):
            raise RemoteFailed(FAILED, f"{self.title} sent no video.")
        size_bytes = 0
        with path.open("wb") as file:
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                size_bytes += len(chunk)
                if size_bytes > MOST_CLIP_BYTES:
                    raise RemoteFailed(FAILED, f"{self.title} sent a file of more than {MOST_CLIP_BYTES} bytes.")
                file.write(chunk)
                on_chunk()

    def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > ANSWER_BYTES:
                raise Unanswered(f"{self.title} answered with more than {ANSWER_BYTES} bytes.")
        return bytes(content)

    def _refusal(self, response: httpx.Response, content: bytes) -> Exception:
        status = response.status_code
        if status in _NOT_TAKEN:
            return Busy(f"{self.title} is busy ({status}).", _retry_after(response))
        if status in (404, 410):
            return NoSuchJob(f"{self.title} answered {status}.")
        if status in (408, 425) or status >= 500 or status < 400:
            return Unanswered(f"{self.title} answered {status}.")
        if status in (401, 402, 403) or (status == 400 and _BAD_KEY in content):
            return AccountRefused(self.title, status)
        return RemoteFailed(REFUSED, f"{self.title} refused: {words_of(content) or f'it answered {status}'}")


def words_of(content: bytes) -> str:
    """Return the words of an error in any of the providers' shapes: ``error.message``, ``message``, ``detail``."""
    with contextlib.suppress(ValueError, RecursionError):
        said = httpx.Response(200, content=content).json()
        for found in _messages(said):
            return quote_provider(found)
    return ""


def _messages(said: Any) -> Iterator[str]:
    if isinstance(said, dict):
        error = said.get("error")
        yield from _messages(error)
        for name in ("message", "detail"):
            if isinstance(said.get(name), str) and said[name]:
                yield said[name]
        if isinstance(error, str) and error:
            yield error


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, min(600.0, float(response.headers.get("Retry-After", ""))))
    except ValueError:
        return None
