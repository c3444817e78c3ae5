"""Which jobs were begun with providers, so that an attempt after a crash finds them again and pays for nothing twice.

A note is written before a start, on disk (whole or not at all, also in a power cut) and in Valkey, and again with the
provider's name of the job after it. So the next attempt knows, on this host or another, whether nothing was begun, a
job is there to be looked at, or a start was under way of which nobody heard the end.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import redis

from gpu_worker.snapshot_files import SnapshotFiles, is_undamaged
from gpu_worker.valkey import Unreachable
from gpu_worker.valkey_names import remote_key
from gpu_worker.wire import Wire

logger = logging.getLogger(__name__)

KEPT_SECONDS = 3 * 24 * 3600
"""Longer than any clip's hold lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedJob(Wire):
    """What is known of one clip's job."""

    round: int = 0
    """Counts the jobs that were begun for the clip, each after the one before had ended in vain."""
    remote_id: str = ""
    """The provider's name of it; empty while a start is under way."""
    is_over: bool = False
    """Whether it came to nothing, so that another may be begun."""
    account: str = ""
    step: int = 0
    """Of two notes the later one has the higher."""


class NotKnown(Exception):
    """The notes cannot be read now."""


@dataclass(frozen=True, slots=True)
class StartedJobs:
    """The notes of one worker."""

    connection: redis.Redis
    files: SnapshotFiles

    def of(self, generation_id: str) -> StartedJob | None:
        """Return the newest note on a clip; None where nothing was ever begun for it.

        Raises:
            NotKnown: Valkey is away, and this host has no note of its own.
        """
        found = [note for path in self.files.of(generation_id) if (note := _read_file(path)) is not None]
        try:
            said = cast(bytes | None, self.connection.get(remote_key(generation_id)))
        except Unreachable as problem:
            if not found:
                raise NotKnown from problem
            said = None
        if said is not None and (note := _read(said)) is not None:
            found.append(note)
        return max(found, key=lambda note: note.step, default=None)

    def note(self, generation_id: str, job: StartedJob) -> None:
        """Write it down, on disk and in Valkey.

        Raises:
            OSError: it cannot be kept on disk; nothing may be begun then.
        """
        content = json.dumps(job.to_wire()).encode()
        self.files.write(generation_id, content)
        try:
            self.connection.set(remote_key(generation_id), content, ex=KEPT_SECONDS)
        except Unreachable as problem:
            logger.warning("What was begun is noted on this host alone, Valkey cannot be reached: %s", problem)


def _read_file(path: Path) -> StartedJob | None:
    try:
        return _read(path.read_bytes()) if is_undamaged(path) else None
    except OSError:
        return None


def _read(content: bytes) -> StartedJob | None:
    try:
        return StartedJob.from_wire(json.loads(content))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
