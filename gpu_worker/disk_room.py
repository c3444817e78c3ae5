"""Whether there is room for another render's files. A host without makes no clip, and fails each that it takes at once:
it would use up all attempts of one clip after the other, while other hosts are busy."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Final

import redis

from gpu_worker import host_faults
from gpu_worker.host_faults import HostFault

logger = logging.getLogger(__name__)

LEAST_FREE_BYTES: Final = 128 * 2**20
"""What the files of a render may come to: a clip of some minutes, its posters and what it starts from."""


class DiskRoom:
    """Looks at the disk of ``folder``, and tells the website once when it is short."""

    def __init__(self, folder: Path, connection: redis.Redis, name: str) -> None:
        self._folder = folder
        self._connection = connection
        self._name = name
        self._was_short = False

    def is_short(self) -> bool:
        """Whether the worker had better take nothing."""
        free = free_bytes(self._folder)
        is_short = free < LEAST_FREE_BYTES
        if is_short and not self._was_short:
            logger.error("Nothing is taken until %s has room: %d MiB are free.", self._folder, free // 2**20)
            host_faults.tell(self._connection, self._name, HostFault.DISK_FULL, now=time.time())
        elif self._was_short and not is_short:
            logger.info("There is room in %s again.", self._folder)
        self._was_short = is_short
        return is_short


def free_bytes(folder: Path) -> int:
    """What may still be written to ``folder``, which need not be there yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
