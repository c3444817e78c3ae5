"""The client for programs that wait."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx
from httpx_sse import SSEError, connect_sse

from loremotion import calls, connection, retries
from loremotion.calls import BatchClip, Call, ClipOptions, Input, T
from loremotion.characters import Characters
from loremotion.downloads import Download
from loremotion.errors import ConnectionFailed, error_of
from loremotion.events import Reader
from loremotion.objects import Event, Me, Model, Quote, Usage, Video, VideoPage
from loremotion.storyboards import Storyboards
from loremotion.waiting import Deadline, completed


class Client:
    """A workspace of a LoreMotion site, by an API key.

    Args:
        api_key: else ``LOREMOTION_API_KEY``.
        base_url: the site's address, else ``LOREMOTION_BASE_URL``.
        timeout_seconds: longest silence of the site. A large upload may take longer as a whole.
        max_attempts: how often a request is sent when the connection fails or the site asks to come again.
        transport: for tests.

    Raises:
        NotConfigured: no key, or no site.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout_seconds: float = connection.TIMEOUT_SECONDS,
        max_attempts: int = retries.MAX_ATTEMPTS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(**connection.options_of(api_key, base_url, timeout_seconds), transport=transport)
        self._max_attempts = max(1, max_attempts)
        self.storyboards = Storyboards(self._send, self._fetch)
        self.characters = Characters(self._send)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def generate(
        self,
        prompt: str,
        *,
        wait_seconds: float | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ClipOptions],
    ) -> Video:
        """Make a clip and wait until it is there. Returns it, completed.

        Args:
            idempotency_key: as of ``create``.

        Raises:
            ClipFailed: it ended without a video.
            WaitTimedOut: it is not ready after ``wait_seconds``; it goes on being made.
            ApiError, ConnectionFailed: the site refused the clip, and nothing was charged; or it failed while this
                waited, and the clip is made and charged: ``videos`` finds it, or the same request under the same key.
        """
        return self.wait(self.create(prompt, idempotency_key=idempotency_key, **options), wait_seconds=wait_seconds)

    def create(self, prompt: str, *, idempotency_key: str | None = None, **options: Unpack[ClipOptions]) -> Video:
        """Ask for a clip. Returns at once with what is held for it.

        Args:
            idempotency_key: under one key the same request makes one clip in 24 hours, however often it is sent, also
                by a program that was started again. 1 to 255 printable ASCII characters; made up where it is left out.

        Raises:
            OutOfCredits, InvalidRequest, RateLimited, …: nothing was made or held.
            ConnectionFailed, ServerError: nobody can say; the same request under the same key finds out.
        """
        return self._send(calls.create(prompt, options, idempotency_key))

    def create_batch(
        self,
        clips: Sequence[BatchClip],
        *,
        max_credits: int | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Video, ...]:
        """Ask for up to 48 clips that may differ in everything. All are made and held for, or none is. Returns them in
        that order.

        Args:
            max_credits: the most that all of them may cost.
            idempotency_key: as of ``create``, for the whole.
        """
        return self._send(calls.create_batch(clips, max_credits, idempotency_key))

    def remix(
        self, source: Video | str, prompt: str, *, idempotency_key: str | None = None, **options: Unpack[ClipOptions]
    ) -> Video:
        """Change a finished clip as ``prompt`` says. Returns the new one, as it is asked for."""
        return self._send(calls.remix(source, prompt, options, idempotency_key))

    def extend(
        self, source: Input, prompt: str, *, idempotency_key: str | None = None, **options: Unpack[ClipOptions]
    ) -> Video:
        """Continue a clip or a video file; ``seconds`` is the length of what is new. Returns the whole, asked for."""
        return self._send(calls.extend(source, prompt, options, idempotency_key))

    def finish(self, draft: Video | str, *, max_credits: int | None = None) -> Video:
        """Make the whole clip of a draft for what it costs more. Returns it as it is asked for, or was before."""
        return self._send(calls.finish(draft, max_credits))

    def quote(self, prompt: str, **options: Unpack[ClipOptions]) -> Quote:
        """Return what a clip would cost and when it would be ready. Makes and holds nothing."""
        return self._send(calls.quote(prompt, options))

    def get(self, video: Video | str) -> Video:
        """Return how a clip stands.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return self._send(calls.get(video))

    def page(
        self, *, limit: int = 20, after: str | None = None, order: str = "desc", user_ref: str | None = None
    ) -> VideoPage:
        """Return up to ``limit`` (at most 100) of the workspace's clips, from the one behind ``after``.

        Args:
            user_ref: only clips that were asked for under this name of your own.
        """
        return self._send(calls.page(limit, after, order, user_ref))

    def videos(self, *, order: str = "desc") -> Generator[Video]:
        """Yield every clip of the workspace, the newest first."""
        after: str | None = None
        while True:
            found = self.page(limit=100, after=after, order=order)
            yield from found.videos
            if (after := found.next_after) is None:
                return

    def cancel(self, video: Video | str) -> Video:
        """Stop a clip that waits or is being made. What has not been rendered is given back."""
        call = calls.cancel(video)
        response = self._respond(call)
        if not response.is_success:
            return calls.cancelled_before(response, self.get(video))
        return call.result_of(response)

    def delete(self, video: Video | str) -> None:
        """Delete a clip's files and words, for good."""
        self._send(calls.delete(video))

    def share(self, video: Video | str, *, shows_prompt: bool = False) -> str:
        """Make a link by which anybody sees the clip. Returns its address."""
        return self._send(calls.share(video, shows_prompt=shows_prompt))

    def models(self) -> list[Model]:
        """Return the models that are offered, in the site's order."""
        return self._send(calls.models())

    def model(self, name: str) -> Model:
        """Return one model, by its name or an alias."""
        return self._send(calls.model(name))

    def me(self) -> Me:
        """Return whose key this is, and what is left of its cap and of the workspace's credits."""
        return self._send(calls.me())

    def usage(
        self, *, since: date | str | None = None, until: date | str | None = None, by: Sequence[str] = ("day",)
    ) -> Usage:
        """Return what was spent, this month unless told otherwise: by the whole workspace, or by this key alone
        where it has no ``billing-read``.

        Args:
            by: what tells lines apart: ``day``, ``model``, ``key``, ``member``.
        """
        return self._send(calls.usage(since, until, by))

    def wait(self, video: Video | str, *, wait_seconds: float | None = None) -> Video:
        """Ask how a clip stands, as often as the site proposes, until it is there. Returns it, completed.

        Raises:
            ClipFailed: it ended without a video.
            WaitTimedOut: it is not ready after ``wait_seconds``; it goes on being made.
        """
        call, deadline = calls.get(video), Deadline(wait_seconds)
        while True:
            response = self._respond(call)
            seen = call.result_of(response)
            if not seen.is_open:
                return completed(seen)
            time.sleep(deadline.pause_seconds(seen, response))

    def events(self, video: Video | str) -> Generator[Event]:
        """Yield a clip's live events until ``done``. A broken connection is taken up where it broke.
        Who stops before ``done`` closes what this returns, as ``contextlib.closing`` does.

        Raises:
            ConnectionFailed: the site stayed away for ``max_attempts`` tries.
            ApiError: the site refuses.
        """
        reader = Reader(calls.id_of(video), self._max_attempts)
        while not reader.is_done:
            try:
                with connect_sse(
                    self._http, "GET", reader.path, headers=reader.headers, timeout=reader.timeout
                ) as source:
                    if not source.response.is_success:
                        source.response.read()
                    if reader.opens(source.response):
                        for sse in source.iter_sse():
                            if (event := reader.event_of(sse)) is not None:
                                yield event
            except (httpx.RequestError, SSEError) as problem:
                reader.note_broken(problem)
            if not reader.is_done:
                time.sleep(reader.take_pause_seconds())

    def download(self, video: Video | str, path: str | os.PathLike[str], *, variant: str = "video") -> Path:
        """Write a finished clip to ``path``, whole or not at all. Returns the path.

        Args:
            variant: ``video``, ``thumbnail``, ``spritesheet`` or ``spritesheet_vtt``.
        """
        return self._fetch(calls.content_path(video, variant), path)

    def _send(self, call: Call[T]) -> T:
        return call.result_of(self._respond(call))

    def _fetch(self, address: str, path: str | os.PathLike[str]) -> Path:
        with Download(path) as download:
            for attempt in range(1, self._max_attempts + 1):
                try:
                    with self._http.stream("GET", address, headers=download.headers, follow_redirects=True) as response:
                        if download.begins(response):
                            for chunk in response.iter_bytes():
                                download.write(chunk)
                            return download.path
                        response.read()
                        pause = retries.pause_seconds(attempt, response)
                        if pause is None or attempt == self._max_attempts:
                            raise error_of(response)
                except httpx.RequestError as problem:
                    pause = retries.pause_seconds(attempt, None)
                    if attempt == self._max_attempts:
                        raise ConnectionFailed(f"The download broke off: {problem}") from problem
                time.sleep(pause or 0.0)
        raise AssertionError("max_attempts is at least 1")

    def _respond(self, call: Call[T]) -> httpx.Response:
        request = call.request_of(self._http)
        for attempt in range(1, self._max_attempts + 1):
            response: httpx.Response | None = None
            try:
                response = self._http.send(request)
                if call.is_answered(response, attempt):
                    return response
            except httpx.RequestError as problem:
                if attempt == self._max_attempts:
                    raise ConnectionFailed(f"{request.url.host} can't be reached: {problem}") from problem
            pause = retries.pause_seconds(attempt, response)
            if response is not None and (pause is None or attempt == self._max_attempts):
                raise error_of(response)
            time.sleep(pause or 0.0)
        raise AssertionError("max_attempts is at least 1")
