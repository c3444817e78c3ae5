"""Progress of a render, written into the Valkey Stream that the browser follows."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from gpu_worker.completion import Completion
from gpu_worker.contract import Progress
from gpu_worker.valkey_names import PROGRESS_MAXLEN, PROGRESS_TTL_SECONDS, progress_key

logger = logging.getLogger(__name__)

RECOVERY_SECONDS = 5.0


class ProgressStream:
    """The stream of one generation. A render never waits long for it and never fails by it.

    While the server takes no entries they are dropped, and it is asked again only every few seconds.
    """

    def __init__(
        self,
        connection: redis.Redis,
        generation_id: str,
        preview_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._key = progress_key(generation_id)
        self._preview_seconds = preview_seconds
        self._clock = clock
        self._last_preview = float("-inf")
        self._silent_until = float("-inf")

    def write(self, progress: Progress) -> None:
        """Append one entry: field ``event`` is its kind, ``data`` the whole as JSON. Pictures come at most so often."""
        now = self._clock()
        if now < self._silent_until:
            return
        if progress.preview and now - self._last_preview < self._preview_seconds:
            if progress.kind == "preview":
                return
            progress = dataclasses.replace(progress, preview="")
        fields: dict[Any, Any] = {"event": progress.kind, "data": json.dumps(progress.to_wire())}
        try:
            with self._connection.pipeline(transaction=False) as pipeline:
                pipeline.xadd(self._key, fields, maxlen=PROGRESS_MAXLEN, approximate=True)
                pipeline.expire(self._key, PROGRESS_TTL_SECONDS)
                pipeline.execute()
        except redis.RedisError as problem:  # away, or refused: an entry with the highest id lets no other follow
            logger.warning("Progress is not shown for the moment, Valkey does not take it: %s", problem)
            self._silent_until = self._clock() + RECOVERY_SECONDS
            return
        if progress.preview:
            self._last_preview = now


@dataclass(frozen=True, slots=True)
class ShownProgress:
    """What people see of one job: its stream, with the share of the whole that is done."""

    stream: ProgressStream
    completion: Completion

    def write(self, progress: Progress) -> None:
        percent = self.completion.percent(stage=progress.stage, step=progress.step, steps_total=progress.steps_total)
        self.stream.write(dataclasses.replace(progress, percent=percent))
