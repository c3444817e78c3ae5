"""Several remote workers on one host: each a supervisor with its worker, so that each clip has a process of its own.

A worker mostly waits, so many of them cost memory and nothing else; and what holds for one on a card holds for each:
one clip in hand, one report, one lease.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType


def run(name: str, count: int) -> int:
    """Run ``count`` remote workers, called ``name-1`` and so on, until all of them have ended. Returns the first exit
    status that is not 0."""
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "gpu_worker", "--remote", "--parent", str(os.getpid())],
            env={**os.environ, "GPU_WORKER_NAME": f"{name}-{number}", "GPU_WORKER_REMOTE_JOBS": "1"},
        )
        for number in range(1, count + 1)
    ]

    def pass_on(number: int, _: FrameType | None) -> None:
        for child in children:
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all of them
    statuses = [child.wait() for child in children]
    return next((status for status in statuses if status), os.EX_OK)
