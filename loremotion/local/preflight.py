"""What is checked before anything is started, so that a person reads one line instead of a traceback."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loremotion.local.failure import CannotStart
from loremotion.local.ports import is_free

NEEDED_BYTES = 1024**3
"""Both stores, clips and caches of a first evening."""


def port_of(environment: Mapping[str, str]) -> int:
    """The site's port from ``PORT``, 8000 by default, checked to be free.

    Raises:
        CannotStart: it is no port, or somebody listens on it.
    """
    text = environment.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise CannotStart(f"PORT={text} is not a port: choose a number from 1 to 65535, as in 'make run PORT=8001'.")
    if not is_free(int(text)):
        raise CannotStart(f"Port {text} is in use: end what listens there, or choose another: 'make run PORT=8001'.")
    return int(text)


def check_disk(folder: Path, needed_bytes: int = NEEDED_BYTES) -> None:
    """
    Raises:
        CannotStart: the disk of ``folder`` has less than ``needed_bytes`` left.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise CannotStart(
            f"Not enough disk space in {folder}: {free_bytes / 1024**2:.0f} MiB are free, "
            f"{needed_bytes / 1024**2:.0f} MiB are needed. Free some and start again."
        )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process, as long as it lives.

    Raises:
        CannotStart: another process holds it.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"'make run' is running already in {folder.parent}: end that one first.") from None
        yield
