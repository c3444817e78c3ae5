"""The parent of a worker process: starts it, watches it, replaces it, and hands back what it held when it died.

It imports nothing that renders, so it cannot crash with the card. It believes the lifeline, on which the worker's
main thread speaks, and the process table; a heartbeat in Valkey proves neither.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Final, cast

from gpu_worker import host_faults
from gpu_worker.backoff import pause_after, pauses_seconds
from gpu_worker.heartbeat import withdraw
from gpu_worker.host_faults import HostFault
from gpu_worker.reports import Reports
from gpu_worker.rq_seams import dead_worker
from gpu_worker.settings import Settings
from gpu_worker.valkey import Unreachable, connect
from gpu_worker.valkey_names import RENDER_QUEUE, worker_key
from gpu_worker.worker_process import Child
from gpu_worker.worker_status import read_status

logger = logging.getLogger(__name__)

MOST_DELAY_SECONDS = 30.0
TOLD_AFTER_DEATHS = 3
"""One after the other, without a job ended in between."""
KILL_AFTER_SECONDS = 5.0
HANDING_BACK_SECONDS = 3.0
"""What a worker gets beyond the grace: it hands back by itself at the next safe point."""
EXIT_ON: Final = {number: 128 + number for number in (signal.SIGTERM, signal.SIGINT)}
"""Signal → status of a worker that left in good order on it. Whoever sent it, the supervisor knows whether it was
itself; one that was stopped through Valkey leaves with 0, and its supervisor with it."""


class NameTaken(Exception):
    """Another worker of this name is alive. The message says where."""


class Supervisor:
    """Keeps one worker alive until it is told to stop."""

    def __init__(self, settings: Settings, command: Sequence[str], queue: str = RENDER_QUEUE) -> None:
        """``command`` starts the worker process; it gets ``--lifeline`` and ``--supervisor`` added."""
        self.settings = settings
        self._queue = queue
        self.restarts = 0
        self._command = command
        self._connection = connect(settings.redis_url)
        self._reports = Reports(self._connection, settings.name)
        self._signals: list[int] = []
        self._ring, self._bell = socket.socketpair()
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """Supervise until a signal, a stop command or settings that cannot work end it. Returns the exit status.

        Raises:
            NameTaken: another worker of this name is alive.
        """
        with self._alone(), self._hearing_signals():
            self._wait_for_namesake()
            self._hand_back(frozenset(), "its host or its supervisor ended")
            fruitless_deaths = 0
            while not self._signals:
                child = Child(self._command, self.settings.start_seconds, self.settings)
                logger.info("Worker %s runs as process %d", self.settings.name, child.process.pid)
                reason = self._watch(child)
                self._hand_back(child.words.job_ids, reason)
                status = child.process.returncode
                if self._signals:
                    return os.EX_OK
                if status == os.EX_OK:
                    logger.info("Worker %s was told through Valkey to stop, and is not replaced", self.settings.name)
                    return status
                if status == os.EX_CONFIG and not self.restarts:
                    self._tell(HostFault.CANNOT_START)
                    return status  # later it is the machine that fails, and may recover: settings do not change
                self.restarts += 1
                fruitless_deaths = 1 if child.jobs_ended else fruitless_deaths + 1
                logger.error("Worker %s is replaced: %s", self.settings.name, reason)
                if fruitless_deaths >= TOLD_AFTER_DEATHS:
                    self._tell(HostFault.KEEPS_DYING)
                self._pause(_delay_seconds(fruitless_deaths))
            return 0

    def _tell(self, fault: HostFault) -> None:
        host_faults.tell(self._connection, self.settings.name, fault, now=time.time())

    # --- watching ------------------------------------------------------------------------------------------------

    def _watch(self, child: Child) -> str:
        """Wait for the child's end, and bring it about where it is due. Returns why it ended."""
        self._selector.register(child.listener.descriptor, selectors.EVENT_READ)
        reason, deadline = "", float("inf")
        try:
            while child.process.poll() is None:
                self._select(min(child.patience_seconds, deadline - time.monotonic()))
                child.listen()
                if self._signals and deadline == float("inf"):
                    deadline = time.monotonic() + self._ask_to_leave(child)
                if self._is_urgent or time.monotonic() > deadline:
                    reason = "it was stopped before the render was done"
                elif child.patience_seconds <= 0:
                    reason = (
                        f"it was silent for {child.words.first_to_end.word.patience_seconds:.0f} s and had to be killed"
                    )
                if reason:
                    break
        finally:
            self._selector.unregister(child.listener.descriptor)
            child.end()
        return reason or _reason(child.process.returncode)

    def _ask_to_leave(self, child: Child) -> float:
        """Pass the wish to stop on. Returns the seconds that the child gets."""
        child.process.terminate()
        if child.has_started:
            return self.settings.grace_seconds + HANDING_BACK_SECONDS
        return KILL_AFTER_SECONDS

    @property
    def _is_urgent(self) -> bool:
        """Ctrl-C, or any second signal: no time for the render in hand."""
        return signal.SIGINT in self._signals or len(self._signals) > 1

    def _select(self, seconds: float) -> None:
        """Wait for words of the child, a signal (its death is one), or the time."""
        for key, _ in self._selector.select(max(0.0, min(seconds, 60.0))):
            if key.fileobj is self._ring:
                self._ring.recv(4096)

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._signals and (left := deadline - time.monotonic()) > 0:
            self._select(left)

    # --- handing back --------------------------------------------------------------------------------------------

    def _hand_back(self, job_ids: frozenset[str], reason: str) -> None:
        """Report what the dead worker held, and clear its traces, so that nobody else acts on them."""
        for pause in pauses_seconds():
            try:
                for lost in sorted(job_ids | dead_worker.held_jobs(self._connection, self.settings.name)):
                    logger.warning("Job %s is handed back: %s", lost, reason)
                    self._reports.lost(lost, reason, dead_worker.secret_of(self._connection, lost))
                    dead_worker.fail(self._connection, lost, reason, self._queue)
                dead_worker.clear(self._connection, self.settings.name, self._queue)
                withdraw(self._connection, self.settings.name)
                return
            except Unreachable as problem:
                if self._signals:
                    logger.error("Leaving without handing back, Valkey cannot be reached: %s", problem)
                    return
                logger.warning("Valkey cannot be reached, trying again in %.1f s: %s", pause, problem)
            self._pause(pause)

    # --- being the only one --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of this name on this host; the kernel lets go of it whatever happens to us."""
        name = self.settings.name
        self.settings.cache.mkdir(parents=True, exist_ok=True)
        with (self.settings.cache / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise NameTaken(
                    f"A worker called {name!r} runs on this host already. Set GPU_WORKER_NAME for a second one."
                ) from None
            yield

    def _wait_for_namesake(self) -> None:
        """Wait until the heartbeat of a dead worker of this name on another host has expired.

        Raises:
            NameTaken: it is alive.
        """
        first_beat = 0.0
        while not self._signals:
            try:
                said = self._connection.get(worker_key(self.settings.name))
            except Unreachable as problem:
                logger.warning("Valkey cannot be reached, trying again in 1 s: %s", problem)
                self._pause(1.0)
                continue
            status = read_status(self.settings.name, cast(bytes | None, said))
            if status is None or status.host == socket.gethostname():
                return
            if first_beat and status.beat_at != first_beat:
                raise NameTaken(
                    f"A worker called {status.name!r} is alive on host {status.host!r}. "
                    "Set GPU_WORKER_NAME for this one."
                )
            first_beat = status.beat_at
            self._pause(1.0)

    # --- signals -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        """Note SIGTERM and SIGINT, and let them and the death of the child end a wait."""
        for end in (self._ring, self._bell):
            end.setblocking(False)
        self._selector.register(self._ring, selectors.EVENT_READ)
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGTERM: lambda number, _: self._signals.append(number),
            signal.SIGHUP: lambda number, _: self._signals.append(number),
            signal.SIGINT: lambda number, _: self._signals.append(number),
            signal.SIGCHLD: lambda number, _: None,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        bell = signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(bell)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()


def _delay_seconds(fruitless_deaths: int) -> float:
    """Return the pause before a worker is replaced: none after one death, then longer with each in a row without a job
    ended in between."""
    return 0.0 if fruitless_deaths <= 1 else pause_after(fruitless_deaths - 1, 0.5, MOST_DELAY_SECONDS)


def _reason(status: int) -> str:
    """Return an exit status in words that finish the sentence "the worker was lost: …"."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if status == EXIT_ON[number]:
            return f"{number.name} was sent to its process alone"
    if status < 0:
        return f"its process was killed by {signal.Signals(-status).name}"
    return f"its process ended with status {status}"
