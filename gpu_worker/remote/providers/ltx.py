"""Lightricks' LTX API, its asynchronous half.

``POST v2/text-to-video`` or ``v2/image-to-video`` answers 202 ``{id, status}``; ``GET v2/{endpoint}/{id}`` says
``pending``, ``processing``, ``completed`` or ``failed``; ``result.video_url`` is good for a day, ``error.message``
says why not. Source: docs.ltx.video (async-jobs, quickstart, input-formats). It keeps no name of ours and lists no
jobs: a start that was not answered is given up with its credits. No call stops a job, and none tells progress.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import NoSuchJob, Unanswered, quote_provider
from gpu_worker.remote.provider import Ask, NotFindable, Seen, Status
from gpu_worker.remote.providers.openai import job_name
from gpu_worker.remote.transport import Api

_NOBODYS: Final = "00000000-0000-0000-0000-000000000000"
_STATUSES: Final = {
    "pending": Status.WAITING,
    "processing": Status.RUNNING,
    "completed": Status.DONE,
    "failed": Status.FAILED,
}


class Ltx:
    """One key."""

    is_idempotent = False
    charges_for_begun = True

    def __init__(self, account: Account, transport: httpx.BaseTransport | None = None) -> None:
        self.title = account.title
        key = {"Authorization": f"Bearer {account.key}"}
        self._api = Api(account.url, account.title, authorize=lambda: key, transport=transport)

    def start(self, ask: Ask, reference: str) -> str:
        endpoint = "text-to-video" if ask.image_png is None else "image-to-video"
        body: dict[str, Any] = {
            "prompt": ask.prompt,
            "model": ask.model,
            "duration": round(ask.seconds),
            "resolution": ask.size,
            "fps": round(ask.fps),
        }
        if ask.image_png is not None:
            body["image_uri"] = f"data:image/png;base64,{base64.b64encode(ask.image_png).decode()}"
        return f"{endpoint}/{job_name(self._api.call('POST', f'v2/{endpoint}', json=body).get('id'), self.title)}"

    def find(self, ask: Ask, reference: str) -> str | None:
        raise NotFindable

    def look(self, remote_id: str) -> Seen:
        endpoint, _, job = remote_id.partition("/")
        answer = self._api.call("GET", f"v2/{endpoint}/{quote(job, safe='')}")
        status = _STATUSES.get(str(answer.get("status")))
        if status is None:
            raise Unanswered(f"{self.title} does not say how the clip stands.")
        result, error = answer.get("result"), answer.get("error")
        address = result.get("video_url") if isinstance(result, dict) else None
        if status == Status.DONE and not isinstance(address, str):
            return Seen(status=Status.FAILED, problem="it made no clip")
        problem = error.get("message", "") if isinstance(error, dict) else error or ""
        return Seen(status=status, address=str(address or ""), problem=quote_provider(problem))

    def cancel(self, remote_id: str) -> None:
        """The API has no call for it."""

    def look_around(self) -> str:
        """It lists neither models nor jobs, and looks at the key before it says that there is no such job."""
        with suppress(NoSuchJob):
            self._api.call("GET", f"v2/text-to-video/{_NOBODYS}")
        return "it answers with it."

    def download(self, remote_id: str, seen: Seen, path: Path, on_chunk: Callable[[], None]) -> None:
        self._api.download(seen.address, path, on_chunk)
