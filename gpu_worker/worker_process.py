"""A worker process as its parent has it: how it is started, what it said last, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from gpu_worker.lifeline import Listener, Word, Words
from gpu_worker.settings import Settings

ALLOCATOR = "expandable_segments:True,pinned_max_round_threshold_mb:1"
"""Segments that grow lose little between blocks; large pinned blocks are not rounded up to powers of two."""


class Child:
    """One worker process and what it said last."""

    def __init__(self, command: Sequence[str], start_seconds: float, settings: Settings) -> None:
        """The address of Valkey goes through standard input, since what a process starts can read its environment."""
        reading, writing = os.pipe()
        # A process group of its own: Ctrl-C in the terminal is for the supervisor, who decides.
        self.process = subprocess.Popen(
            [*command, "--lifeline", str(writing), "--supervisor", str(os.getpid())],
            env=worker_environment(settings.cache),
            pass_fds=[writing],
            stdin=subprocess.PIPE,
            process_group=0,
        )
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as told:  # one that died at once is seen below
            told.write(settings.redis_url.encode() + b"\n")
        os.close(writing)
        self.listener = Listener(reading)
        self.words = Words(Word(None, start_seconds), time.monotonic())
        self.has_started = False
        self.jobs_ended = 0

    def listen(self) -> None:
        """Hear what it has said since it was last listened to."""
        for word in self.listener.words():
            before = self.words.job_ids
            self.words.hear(word, time.monotonic())
            self.jobs_ended += len(before - self.words.job_ids)
            self.has_started = True

    @property
    def patience_seconds(self) -> float:
        """Seconds until silence on one of its jobs means that it is stuck."""
        return self.words.first_to_end.ends_at - time.monotonic()

    def end(self) -> None:
        """Kill it with all that it started, and hear its last words."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.listen()
        self.listener.close()


def worker_environment(cache: Path | None = None) -> dict[str, str]:
    """Return the environment of a worker process: our own without the address of Valkey, which holds a password, and
    with how PyTorch's allocators work unless it says that itself.

    Compiled kernels are kept in ``cache``: in the temporary folder, where PyTorch would have them, they would be gone
    with each restart of the machine or its container, and the first clip of a row waits minutes for them.
    """
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    if "PYTORCH_CUDA_ALLOC_CONF" not in environment:
        environment.setdefault("PYTORCH_ALLOC_CONF", ALLOCATOR)
    if cache is not None:
        environment.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache.absolute() / "compiled"))
    return environment
