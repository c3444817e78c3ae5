"""OpenAI's Videos API as openai-python (resources/videos.py) and vLLM-Omni (serving/videos_api) document it."""

from __future__ import annotations

import re
from typing import Any

from tests.remote.fake_api import Asked, Said


class FakeOpenAI:
    def __init__(self, mp4: bytes, *, progress: tuple[int, ...] = (0, 40, 80), honours_keys: bool = False) -> None:
        self.mp4 = mp4
        self.progress = progress
        self.honours_keys = honours_keys
        self.videos: dict[str, list[int]] = {}
        self.by_key: dict[str, str] = {}
        self.cancelled: list[str] = []
        self.error: dict[str, Any] | None = None

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != "Bearer a-key":
            return Said(401, {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}})
        if asked.method == "POST" and asked.path == "/v1/videos":
            return self.start(asked)
        name = (re.match(r"/v1/videos/([^/]+)", asked.path) or [""])[1]
        if name not in self.videos:
            return Said(404, {"error": {"message": f"No video {name}"}})
        if asked.path.partition("?")[0].endswith("/content"):
            return Said(200, self.mp4, "video/mp4")
        if asked.path.endswith("/cancel") or asked.method == "DELETE":
            self.cancelled.append(name)
            return Said(200, {"id": name, "deleted": True})
        return Said(200, self.shown(name))

    def start(self, asked: Asked) -> Said:
        key = asked.headers.get("idempotency-key", "")
        if self.honours_keys and key in self.by_key:
            return Said(200, self.shown(self.by_key[key]))
        name = f"video_{len(self.videos)}"
        self.videos[name] = list(self.progress)
        self.by_key[key] = name
        return Said(200, {"id": name, "object": "video", "status": "queued", "progress": 0})

    def shown(self, name: str) -> dict[str, Any]:
        said = {"id": name, "object": "video", "model": "their-model"}
        if self.error is not None:
            return said | {"status": "failed", "error": self.error}
        left = self.videos[name]
        if left:
            return said | {"status": "in_progress", "progress": left.pop(0)}
        return said | {"status": "completed", "progress": 100}
