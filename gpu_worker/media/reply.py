"""What the sandbox answers: a line of JSON that says what follows, then pixels or samples."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from gpu_worker.media import bounds


class Reply:
    """Writes to ``out``, which the parent process reads."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._shape: tuple[int, ...] = ()

    def say(self, what: dict[str, Any]) -> None:
        """Send the line that says what follows."""
        self._out.write(json.dumps(what).encode() + b"\n")

    def send_picture(self, pixels: Any) -> None:
        """Send RGB of shape ``(height, width, 3)``, the first with the line in front. All have one size."""
        if not self._shape:
            self._shape = pixels.shape
            self.say({"width": pixels.shape[1], "height": pixels.shape[0]})
        elif pixels.shape != self._shape:
            bounds.refuse("changes its size on the way.")
        self._out.write(pixels.tobytes())

    def send_bytes(self, content: bytes) -> None:
        """Send samples."""
        self._out.write(content)
