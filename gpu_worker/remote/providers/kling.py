"""Kling by its REST API.

Each call bears a JWT (HS256) of an access key and a secret key, good for half an hour. ``POST v1/videos/text2video``
or ``image2video`` answers ``{code, message, data: {task_id, task_status}}``; ``GET v1/videos/{kind}/{task_id}`` says
``submitted``, ``processing``, ``succeed`` or ``failed`` with ``task_status_msg``, and ``task_result.videos[].url``. An
``external_task_id`` of ours is unique in the account, and a task can be asked for by it: so a start that was not
answered is found again. Source: Kling's API reference (app.klingai.com/global/dev/document-api); 1000 to 1103 are its
codes for accounts, 1301 for moderation, 1302 and 1303 for limits. No call stops a task, and none tells progress.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import jwt

from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import REFUSED, AccountRefused, Busy, NoSuchJob, RemoteFailed, Unanswered, quote_provider
from gpu_worker.remote.provider import Ask, Seen, Status
from gpu_worker.remote.providers.openai import job_name
from gpu_worker.remote.transport import Api

TOKEN_SECONDS: Final = 1800
_BEFORE_SECONDS: Final = 5
"""A token counts from a little before now, for clocks that differ."""
_STATUSES: Final = {
    "submitted": Status.WAITING,
    "processing": Status.RUNNING,
    "succeed": Status.DONE,
    "failed": Status.FAILED,
}
_LIMITS: Final = (1302, 1303, 5001)
_BROKEN: Final = (5000, 5002)
_NO_SUCH: Final = 1203
_ACCOUNT: Final = range(1000, 1104)


class Kling:
    """One pair of keys."""

    is_idempotent = False
    charges_for_begun = True

    def __init__(
        self,
        account: Account,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.title = account.title

        def authorize() -> dict[str, str]:
            return {"Authorization": f"Bearer {token(account.key, account.secret, now=clock())}"}

        self._api = Api(account.url, account.title, authorize=authorize, transport=transport)

    def start(self, ask: Ask, reference: str) -> str:
        body: dict[str, Any] = {
            "model_name": ask.model,
            "prompt": ask.prompt,
            "duration": str(round(ask.seconds)),
            "mode": "pro" if min(ask.width, ask.height) > 720 else "std",
            "external_task_id": reference,
        }
        if ask.negative_prompt:
            body["negative_prompt"] = ask.negative_prompt
        if ask.image_png is None:
            body["aspect_ratio"] = ask.aspect
        else:
            body["image"] = base64.b64encode(ask.image_png).decode()
        data = self._data("POST", _kind(ask), json=body)
        return f"{_kind(ask)}/{job_name(data.get('task_id'), self.title)}"

    def find(self, ask: Ask, reference: str) -> str | None:
        try:
            data = self._data("GET", f"{_kind(ask)}/{quote(reference, safe='')}")
        except NoSuchJob:
            return None
        except RemoteFailed as problem:
            if problem.code != REFUSED:
                raise
            return None  # a name that it does not take for one of a task; it takes none twice, so a start is safe
        return f"{_kind(ask)}/{job_name(data.get('task_id'), self.title)}"

    def look(self, remote_id: str) -> Seen:
        kind, _, task = remote_id.partition("/")
        data = self._data("GET", f"{kind}/{quote(task, safe='')}")
        status = _STATUSES.get(str(data.get("task_status")))
        if status is None:
            raise Unanswered(f"{self.title} does not say how the clip stands.")
        address = ""
        if status == Status.DONE:
            try:
                address = str(data["task_result"]["videos"][0]["url"])
            except (KeyError, IndexError, TypeError):
                return Seen(status=Status.FAILED, problem="it made no clip")
        return Seen(status=status, address=address, problem=quote_provider(data.get("task_status_msg") or ""))

    def cancel(self, remote_id: str) -> None:
        """The API has no call for it."""

    def download(self, remote_id: str, seen: Seen, path: Path, on_chunk: Callable[[], None]) -> None:
        self._api.download(seen.address, path, on_chunk)

    def look_around(self) -> str:
        """Its list of tasks is free."""
        answer = self._api.call("GET", "v1/videos/text2video?pageNum=1&pageSize=1")
        self._refuse(answer)
        return "it shows its list of tasks."

    def _data(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """Its answers say by a code of their own, also with status 200, whether they are errors."""
        answer = self._api.call(method, f"v1/videos/{path}", **sent)
        self._refuse(answer)
        if isinstance(data := answer.get("data"), dict):
            return data
        raise Unanswered(f"{self.title} answered with something that is no task.")

    def _refuse(self, answer: dict[str, Any]) -> None:
        code, words = answer.get("code"), quote_provider(answer.get("message") or "")
        if code == 0:
            return
        if code in _LIMITS:
            raise Busy(f"{self.title} is busy ({code}).")
        if code in _BROKEN:
            raise Unanswered(f"{self.title} broke off ({code}).")
        if code == _NO_SUCH:
            raise NoSuchJob(f"{self.title} knows no such task.")
        if isinstance(code, int) and code in _ACCOUNT:
            raise AccountRefused(self.title, code)
        if isinstance(code, int) and code:
            raise RemoteFailed(REFUSED, f"{self.title} refused: {words or f'it answered {code}'}")
        raise Unanswered(f"{self.title} answered with something that is no task.")


def _kind(ask: Ask) -> str:
    return "text2video" if ask.image_png is None else "image2video"


def token(access_key: str, secret_key: str, *, now: float) -> str:
    """Return a JWT by which Kling knows the account for the next half hour."""
    claims = {"iss": access_key, "exp": int(now) + TOKEN_SECONDS, "nbf": int(now) - _BEFORE_SECONDS}
    return jwt.encode(claims, secret_key, algorithm="HS256")
