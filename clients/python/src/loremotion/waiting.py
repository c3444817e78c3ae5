"""Asking until a clip is there."""

from __future__ import annotations

import time

import httpx

from loremotion.errors import ClipFailed, WaitTimedOut
from loremotion.objects import Video

PAUSE_SECONDS = 2.0
"""Between two looks where the site proposes nothing."""
SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 60.0
"""Whatever it proposes."""


class Deadline:
    """``wait_seconds`` from now; None: none."""

    def __init__(self, wait_seconds: float | None) -> None:
        self._wait_seconds = wait_seconds
        self._ends_at = None if wait_seconds is None else time.monotonic() + wait_seconds

    def pause_seconds(self, video: Video, response: httpx.Response) -> float:
        """How long to wait before the next look: what the site proposes, and not beyond the deadline.

        Raises:
            WaitTimedOut: that is over.
        """
        try:
            proposed = float(response.headers["openai-poll-after-ms"]) / 1000
        except (KeyError, ValueError):
            proposed = PAUSE_SECONDS
        proposed = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, proposed))
        if self._ends_at is None:
            return proposed
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise WaitTimedOut(f"Clip {video.id} is not ready after {self._wait_seconds:g} s. It's still being made.")
        return min(proposed, left)


def completed(video: Video) -> Video:
    """``video``, which has ended.

    Raises:
        ClipFailed: without a clip.
    """
    if not video.is_completed:
        raise ClipFailed(video)
    return video
