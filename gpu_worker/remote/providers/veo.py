"""Google's Veo by the Gemini API.

``POST models/{model}:predictLongRunning`` answers ``{name: "models/…/operations/…"}``; ``GET {name}`` says ``done``,
then ``error`` or ``response.generateVideoResponse`` with ``generatedSamples[].video.uri`` or
``raiMediaFilteredReasons``; the uri wants the same key. Source: ai.google.dev/gemini-api/docs/video, and
google-genai's ``GenerateVideosOperation``. The REST calls are made as they are: the SDK brings sixty megabytes along
for three of them, and follows redirects by itself.

It takes no key of ours and lists no operations, so a start that was not answered cannot be found again: the clip is
given up with its credits, and nothing is paid twice. There is no call that stops an operation, and no progress.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import Unanswered, quote_provider
from gpu_worker.remote.provider import Ask, NotFindable, Seen, Status
from gpu_worker.remote.providers.openai import job_name, models_in
from gpu_worker.remote.transport import Api

_OPERATION: Final = re.compile(r"[A-Za-z0-9._/-]{1,300}")


class Veo:
    """One key of the Gemini API."""

    is_idempotent = False
    charges_for_begun = True

    def __init__(self, account: Account, transport: httpx.BaseTransport | None = None) -> None:
        self.title = account.title
        key = {"x-goog-api-key": account.key}
        self._api = Api(account.url, account.title, authorize=lambda: key, transport=transport)

    def start(self, ask: Ask, reference: str) -> str:
        instance: dict[str, Any] = {"prompt": ask.prompt}
        if ask.image_png is not None:
            encoded = base64.b64encode(ask.image_png).decode()
            instance["image"] = {"bytesBase64Encoded": encoded, "mimeType": "image/png"}
        parameters: dict[str, Any] = {
            "aspectRatio": ask.aspect,
            "resolution": f"{min(ask.width, ask.height)}p",
            "durationSeconds": round(ask.seconds),
            "seed": ask.seed,
        }
        if ask.negative_prompt:
            parameters["negativePrompt"] = ask.negative_prompt
        body = {"instances": [instance], "parameters": parameters}
        path = f"models/{quote(ask.model, safe='')}:predictLongRunning"
        name = job_name(self._api.call("POST", path, json=body).get("name"), self.title)
        if not _OPERATION.fullmatch(name) or ".." in name:
            raise Unanswered(f"{self.title} did not name the operation.")
        return name

    def find(self, ask: Ask, reference: str) -> str | None:
        raise NotFindable

    def look(self, remote_id: str) -> Seen:
        answer = self._api.call("GET", remote_id)
        if answer.get("done") is not True:
            return Seen(status=Status.RUNNING)
        if isinstance(error := answer.get("error"), dict):
            return Seen(status=Status.FAILED, problem=quote_provider(error.get("message", "")))
        response = answer.get("response")
        videos = response.get("generateVideoResponse") if isinstance(response, dict) else None
        videos = videos if isinstance(videos, dict) else {}
        try:
            address = videos["generatedSamples"][0]["video"]["uri"]
        except (KeyError, IndexError, TypeError):
            reasons = videos.get("raiMediaFilteredReasons")
            said = reasons[0] if isinstance(reasons, list) and reasons else "it made no clip"
            return Seen(status=Status.FAILED, problem=quote_provider(said))
        return Seen(status=Status.DONE, address=str(address))

    def cancel(self, remote_id: str) -> None:
        """The API has no call for it."""

    def look_around(self) -> str:
        return models_in(self._api.call("GET", "models?pageSize=1000").get("models"))

    def download(self, remote_id: str, seen: Seen, path: Path, on_chunk: Callable[[], None]) -> None:
        self._api.download(seen.address, path, on_chunk)
