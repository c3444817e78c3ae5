"""The LTX API's asynchronous half, as docs.ltx.video/async-jobs documents it."""

from __future__ import annotations

from typing import Any

from tests.remote.fake_api import Asked, Said


class FakeLtx:
    def __init__(self, mp4: bytes) -> None:
        self.mp4 = mp4
        self.begun = 0
        self.states = ["pending", "processing"]
        self.end: dict[str, Any] = {}

    def answer(self, asked: Asked) -> Said:
        if asked.path == "/out/video.mp4":
            return Said(200, self.mp4, "video/mp4")
        if asked.headers.get("authorization") != "Bearer a-key":
            return Said(401, {"type": "error", "error": {"type": "authentication_error", "message": "Invalid API key"}})
        if asked.method == "POST":
            self.begun += 1
            return Said(202, {"id": "job-1", "status": "pending"})
        if self.states:
            return Said(200, {"id": "job-1", "status": self.states.pop(0)})
        return Said(200, {"id": "job-1", **self.end})
