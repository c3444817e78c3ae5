"""The API as a visitor with a cookie uses it: ask, watch, fetch.

What the site refuses is ``Refused``; a site that is broken or gone is ``httpx.HTTPError``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from httpx_sse import connect_sse

SILENCE_SECONDS = 60.0
"""Longest silence of an event stream; the site says something every 15 s."""


class Refused(RuntimeError):
    """The site said no; the message is its own reason and next step."""


class Visitor:
    """One visitor, known to the site by the cookie of the first page."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=30.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def arrive(self) -> None:
        """Look at the first page, which gives the cookies that a request needs."""
        self._checked(self.client.get("/"))

    def create(self, prompt: str, **ask: Any) -> dict[str, Any]:
        """Ask for a clip and return its video object.

        Raises:
            Refused: no credits, a bad value, too many requests.
        """
        if "csrftoken" not in self.client.cookies:
            self.arrive()
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"]}
        answer = self.client.post("/v1/videos", json={"prompt": prompt, **ask}, headers=headers)
        return self._video(answer)

    def video(self, video_id: str) -> dict[str, Any]:
        return self._video(self.client.get(f"/v1/videos/{video_id}"))

    def cancel(self, video_id: str) -> dict[str, Any]:
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"]}
        return self._video(self.client.post(f"/v1/videos/{video_id}/cancel", headers=headers))

    def events(self, video_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """``(event, data)`` until ``done``. A broken connection is taken up again where it broke."""
        last_id = ""
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                with connect_sse(
                    self.client, "GET", f"/v1/videos/{video_id}/events", headers=headers, timeout=SILENCE_SECONDS
                ) as source:
                    for event in source.iter_sse():
                        last_id = event.id or last_id
                        if event.data:  # the stream's opening only says how soon to come back
                            yield event.event, json.loads(event.data)
                        if event.event == "done":
                            return
            except httpx.RemoteProtocolError:
                continue

    def download(self, video_id: str, path: Path) -> int:
        """Write the clip to ``path``, whole or not at all. Returns its bytes."""
        draft = path.with_name(f"{path.name}.part")
        with self.client.stream("GET", f"/v1/videos/{video_id}/content") as answer, draft.open("wb") as file:
            if answer.is_error:
                answer.read()
            self._checked(answer)
            for chunk in answer.iter_bytes():
                file.write(chunk)
        size_bytes = draft.stat().st_size
        draft.replace(path)
        return size_bytes

    def _video(self, answer: httpx.Response) -> dict[str, Any]:
        body = self._checked(answer).json()
        assert isinstance(body, dict)
        return body

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_client_error:
            raise Refused(_reason(answer))
        return answer.raise_for_status()


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.request.url.path} answered {answer.status_code}."
