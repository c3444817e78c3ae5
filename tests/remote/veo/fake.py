"""Veo by the Gemini API, as ai.google.dev/gemini-api/docs/video documents its long-running operations."""

from __future__ import annotations

from typing import Any

from tests.remote.fake_api import Asked, Said

OPERATION = "models/their-model/operations/op1"


class FakeVeo:
    def __init__(self, mp4: bytes) -> None:
        self.mp4 = mp4
        self.begun = 0
        self.looks = 2
        self.result: dict[str, Any] = {}

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("x-goog-api-key") != "a-key":
            return Said(403, {"error": {"code": 403, "message": "API key not valid", "status": "PERMISSION_DENIED"}})
        if asked.path.endswith(":predictLongRunning"):
            self.begun += 1
            return Said(200, {"name": OPERATION})
        if asked.path.startswith("/v1beta/files/"):
            return Said(200, self.mp4, "video/mp4")
        self.looks -= 1
        if self.looks >= 0:
            return Said(200, {"name": OPERATION})
        return Said(200, {"name": OPERATION, "done": True, **self.result})


def made(address: str) -> dict[str, Any]:
    return {"response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": address}}]}}}
