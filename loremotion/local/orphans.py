"""No process of a stack outlives it, however it ends.

Every process of a stack carries its mark in the environment, which children and grandchildren inherit whatever
session they move to. A small watcher, in a session of its own, waits for the process that started the stack to go
(SIGKILL leaves that process no chance to tidy up) and then ends whatever still carries the mark.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil

MARK = "LOREMOTION_STACK"
"""Environment variable that every process of a stack carries."""
POLL_SECONDS = 0.25
GRACE_SECONDS = 8.0


def marked_processes(mark: str) -> list[psutil.Process]:
    """Every living process that carries ``mark``, this one and its watcher apart."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or another user's
            continue
    return [process for process in found if process.pid != os.getpid()]


def end(mark: str, grace_seconds: float = GRACE_SECONDS) -> list[int]:
    """Ask everything that carries ``mark`` to end, then make it. Returns the process ids that were still there."""
    processes = marked_processes(mark)
    for process in processes:
        _signal(process, is_final=False)
    _, stubborn = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in {*stubborn, *marked_processes(mark)}:
        _signal(process, is_final=True)
    psutil.wait_procs(stubborn, timeout=2)
    return [process.pid for process in processes]


def _signal(process: psutil.Process, *, is_final: bool) -> None:
    try:
        if is_final:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


def start_watcher(mark: str) -> subprocess.Popen[bytes]:
    """Watch this process from outside; the watcher ends by itself once it has tidied up after it."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, mark, str(os.getpid())],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def watch(mark: str, parent: int) -> None:
    """Return once ``parent`` is gone and nothing carries ``mark`` any more."""
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    end(mark)


if __name__ == "__main__":
    watch(sys.argv[1], int(sys.argv[2]))
