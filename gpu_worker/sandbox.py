"""What a parent does with a program that reads hostile files: starts it, gives it one open file, believes little of it.

The program confines itself (``confinement``) before it reads a byte. It answers with a line of JSON that says what
follows and then with that; or it ends with ``bounds.REFUSED`` and a sentence on standard error.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from gpu_worker.confinement import MEMORY_BYTES, PROCESSOR_SECONDS
from gpu_worker.media import bounds

logger = logging.getLogger(__name__)

ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""All that the program gets to know of ours: no address, no password."""
_MOST_REPLY_BYTES: Final = 4096


class FileUnreadable(Exception):
    """The file is not what it should be. The message follows "The input 'video' "."""


@contextmanager
def reading(
    program: Path, file: IO[bytes], said: Mapping[str, Any], *, wall_seconds: float, also_open: Sequence[int] = ()
) -> Iterator[tuple[dict[str, Any], IO[bytes]]]:
    """What ``program`` says of an open file, and the stream behind it. It does not outlive the block.

    Args:
        also_open: descriptors that it finds open under the same numbers.

    Raises:
        FileUnreadable: the program refused the file, took too much, or was ended.
    """
    command = [sys.executable, "-I", str(program), json.dumps(said)]
    process = subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, pass_fds=also_open
    )
    assert process.stdout is not None
    assert process.stderr is not None
    watchdog = threading.Timer(wall_seconds, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        line = process.stdout.readline(_MOST_REPLY_BYTES)
        if line:
            yield _parsed(line), process.stdout
        process.stdout.close()
        reply = process.stderr.read(_MOST_REPLY_BYTES).decode(errors="replace").strip()
        status = process.wait()
        if status == bounds.REFUSED and reply:
            raise FileUnreadable(reply.splitlines()[-1])
        if status == -signal.SIGSYS:
            logger.warning("%s tried what no decoder does, and was ended", program.name)
        if status != 0 or not line:
            raise FileUnreadable(_takes_too_much(wall_seconds))
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def size_in(what: Mapping[str, Any], most_pixels: int) -> tuple[int, int]:
    """Return the width and height that the program announces.

    Raises:
        FileUnreadable: they are none, or so large that the program must have been taken over.
    """
    width, height = what.get("width"), what.get("height")
    if not isinstance(width, int) or not isinstance(height, int):
        raise FileUnreadable("is damaged or cut off.")
    if min(width, height) < 1 or width * height > most_pixels:
        raise FileUnreadable("is damaged or cut off.")
    return width, height


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        what = json.loads(line)
    except (ValueError, RecursionError):
        what = None
    if not isinstance(what, dict):
        raise FileUnreadable("is damaged or cut off.")
    return what


def _takes_too_much(wall_seconds: float) -> str:
    return (
        f"takes more than {MEMORY_BYTES // 2**30} GiB of memory, {PROCESSOR_SECONDS} seconds of a processor or "
        f"{wall_seconds:.0f} seconds in all to decode."
    )
