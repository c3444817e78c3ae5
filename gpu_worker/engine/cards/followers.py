"""The processes of all cards but the first, as the worker has them: one line of JSON to each for a job, one back when
it is ready for the first step, and one to each that says whether the clip is shared. Beside those, lines about what is
to lie on the cards, and back about what does."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from gpu_worker.engine.cards.shared_render import CardsLost
from gpu_worker.worker_status import CardStatus

log = logging.getLogger(__name__)

START_SECONDS = 200.0
"""Less than a worker has itself (``GPU_WORKER_START_SECONDS``), so that it can say what was wrong."""
LOOK_SECONDS = 0.2
"""Between two looks at whether the clip is still wanted."""


class Followers:
    """They are started with this object, and end with it or with this process, however it ends."""

    def __init__(self, devices: Sequence[str], folder: Path, arguments: Sequence[str]) -> None:
        """Start one process for each of ``devices``, which ``folder`` brings together."""
        self._jobs = 0
        self._rests = [b""] * len(devices)  # of what each has said, the line that is not whole yet
        self._said: list[deque[dict[str, Any]]] = [deque() for _ in devices]
        self._cards = [CardStatus(name=device) for device in devices]
        size = str(len(devices) + 1)
        command = [sys.executable, "-m", "gpu_worker.engine.cards.follower", str(folder), size, *arguments]
        self.processes = [
            subprocess.Popen(
                [*command, str(rank), str(os.getpid())],
                env={**os.environ, "GPU_WORKER_DEVICE": device, "OMP_NUM_THREADS": str(torch.get_num_threads())},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for rank, device in enumerate(devices, start=1)
        ]

    def wait_until_started(self) -> None:
        """Wait until all of them are about to connect.

        Raises:
            CardsLost: one of them has ended.
            TimeoutError: one of them took too long.
        """
        ends_at = time.monotonic() + START_SECONDS

        def patience() -> None:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"A card's process has not started within {START_SECONDS:.0f} seconds")

        for rank, process in enumerate(self.processes, start=1):
            self._heard(rank, process, patience)

    def begin(self, task: Mapping[str, Any]) -> None:
        """Have all of them prepare the job of ``task``.

        Raises:
            CardsLost: one of them has ended.
        """
        self._jobs += 1
        self.tell({"job": self._jobs, **task})

    def wait_until_ready(self, replayed_calls: int, while_waiting: Callable[[], None]) -> str:
        """Return why the clip cannot be shared by what they say, or nothing.

        Raises:
            CardsLost: one of them has ended.
            Exception: what ``while_waiting`` raises, which is called every now and then.
        """
        problems = []
        for rank, process in enumerate(self.processes, start=1):
            while (said := self._heard(rank, process, while_waiting))["job"] != self._jobs:
                pass  # of a job that has ended without it
            if said["problem"]:
                problems.append(f"card {rank}: {said['problem']}")
            elif said["replayed_calls"] != replayed_calls:
                problems.append(f"card {rank} would begin at another step")
        return "; ".join(problems)

    def decide(self, problem: str) -> None:
        """Tell all of them whether the clip is shared.

        Raises:
            CardsLost: one of them has ended.
        """
        self.tell({"verdict": self._jobs, "problem": problem})

    def cards(self) -> tuple[CardStatus, ...]:
        """What each has said last of its memory. Waits for nobody; that one has ended is said by the next job."""
        with suppress(CardsLost):
            for rank, process in enumerate(self.processes, start=1):
                while self._read(rank, process, wait_seconds=0.0):
                    pass
        return tuple(self._cards)

    def end(self) -> None:
        """Kill them: they write nothing that could be left half."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a line to all of them, which each comes to once it has done what it was told before.

        Raises:
            CardsLost: one of them has ended.
        """
        line = json.dumps(message).encode() + b"\n"
        for rank, process in enumerate(self.processes, start=1):
            assert process.stdin is not None
            try:
                process.stdin.write(line)
                process.stdin.flush()
            except BrokenPipeError:
                raise _ended(rank, process) from None

    def _heard(self, rank: int, process: subprocess.Popen[bytes], while_waiting: Callable[[], None]) -> dict[str, Any]:
        """The next that it says of anything but its memory."""
        said = self._said[rank - 1]
        while not said:
            if not self._read(rank, process, wait_seconds=LOOK_SECONDS):
                while_waiting()
        return said.popleft()

    def _read(self, rank: int, process: subprocess.Popen[bytes], *, wait_seconds: float) -> bool:
        """Take in what has come from it; returns whether anything has, within so long."""
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], wait_seconds)[0]:
            return False
        if not (piece := os.read(process.stdout.fileno(), 65_536)):
            raise _ended(rank, process)
        *lines, self._rests[rank - 1] = (self._rests[rank - 1] + piece).split(b"\n")
        for message in map(json.loads, lines):
            if "card" in message:
                self._cards[rank - 1] = CardStatus.from_wire(message["card"])
            else:
                self._said[rank - 1].append(message)
        return True


def _ended(rank: int, process: subprocess.Popen[bytes]) -> CardsLost:
    return CardsLost(f"The process of card {rank} has ended with status {process.wait()}")
