"""A clip's live events over connections that may break."""

from __future__ import annotations

import json

import httpx
from httpx_sse import ServerSentEvent

from loremotion import retries
from loremotion.connection import SILENCE_SECONDS
from loremotion.errors import ConnectionFailed, error_of, not_a_site
from loremotion.objects import Event


class Reader:
    """Where one has come to in a clip's events."""

    def __init__(self, video_id: str, max_attempts: int) -> None:
        self.path = f"/v1/videos/{video_id}/events"
        self.timeout = httpx.Timeout(SILENCE_SECONDS, connect=10.0)
        self.is_done = False
        self._host = ""
        self._last_id = ""
        self._failures = 0
        self._asked_seconds: float | None = None
        self._max_attempts = max_attempts

    @property
    def headers(self) -> dict[str, str]:
        """What asks for what came after the last event that was read."""
        return {"Last-Event-ID": self._last_id} if self._last_id else {}

    def opens(self, response: httpx.Response) -> bool:
        """Whether ``response`` is a stream of events; 204 says that all were read. The body of an error has to have
        been read.

        Raises:
            ApiError: the site refuses, also after it was asked again.
        """
        if not response.is_success:
            self._failures += 1
            self._asked_seconds = retries.pause_seconds(self._failures, response)
            if self._failures >= self._max_attempts or self._asked_seconds is None:
                raise error_of(response)
            return False
        self._host = response.request.url.host
        self.is_done = response.status_code == 204
        return not self.is_done

    def event_of(self, sse: ServerSentEvent) -> Event | None:
        """The event; None for what only says how soon to come back.

        Raises:
            LoreMotionError: something else than the API says it.
        """
        self._failures = 0
        self._last_id = sse.id or self._last_id
        self.is_done = sse.event == "done"
        try:
            return Event.from_sse(sse.event, json.loads(sse.data)) if sse.data else None
        except (ValueError, LookupError, TypeError, AttributeError) as problem:
            raise not_a_site(self._host) from problem

    def note_broken(self, problem: Exception) -> None:
        """The connection broke.

        Raises:
            ConnectionFailed: once too often without an event between.
        """
        self._failures += 1
        if self._failures >= self._max_attempts:
            raise ConnectionFailed(f"The live events broke off: {problem}") from problem

    def take_pause_seconds(self) -> float:
        """How long to wait before the next connection."""
        asked, self._asked_seconds = self._asked_seconds, None
        return asked if asked is not None else retries.pause_seconds(max(1, self._failures), None) or 0.0
