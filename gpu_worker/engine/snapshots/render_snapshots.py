"""The snapshots of one render: taken when they are due, found again by its next attempt, and never a reason to fail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.device_errors import DeviceFault, fault_of
from gpu_worker.engine.snapshots.recorder import Recorder
from gpu_worker.engine.snapshots.serialisation import CannotBeSaved, read_state, to_bytes
from gpu_worker.families.speed import CACHES
from gpu_worker.snapshot_files import HEADER_PROBLEMS, SnapshotFiles, is_undamaged, read_header

log = logging.getLogger(__name__)

MOST_COST = 0.02
"""Share of a render's time that its snapshots may take."""
MOST_STATE_BYTES = 2 * 2**30
"""Of one snapshot: what takes more would be written for longer than it is worth."""
MOST_DEATHS = 2
"""Attempts that may have ended since a snapshot was taken. Were it the cause, the last would die of it too."""

_UNREADABLE = (*HEADER_PROBLEMS, SafetensorError, AttributeError)


class RenderSnapshots:
    """Takes and finds the snapshots of one render. Without ``files`` it does neither."""

    def __init__(
        self,
        files: SnapshotFiles | None,
        *,
        generation_id: str,
        attempt: int,
        speed: Mapping[str, Any],
        device: torch.device,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.resumed_from_step = 0
        """Steps that an earlier attempt made."""
        cache = next((name for name in CACHES if name in speed), "")
        if files and cache:
            log_event(log, "no snapshots", why=f"what {cache} keeps is too large")
        self._files = None if cache else files
        self._generation_id, self._attempt, self._device = generation_id, attempt, device
        self._clock = clock
        self._identity: dict[str, Any] = {}
        self._recorder: Recorder | None = None
        self._steps: tuple[int, int] = (0, 0)
        self._taken_at = clock()
        self._cost_seconds = 0.0

    def recorder(self, identify: Callable[[], dict[str, Any]]) -> Recorder | None:
        """Who listens to the pipeline: replaying if there is a snapshot of this very render; None without snapshots."""
        self._recorder, self.resumed_from_step = None, 0
        if self._files is None:
            return None
        try:
            self._identity = identify()
            self._recorder = Recorder(self._find(self._files))
        except (OSError, TypeError, ValueError) as problem:
            self._give_up(problem)
        self._taken_at = self._clock()
        return self._recorder

    def resumed(self) -> tuple[int, int]:
        """The replay has come to its end; the steps done by then, and all of them."""
        self.resumed_from_step = self._steps[0]
        self._taken_at = self._clock()
        log_event(log, "render resumed", step=self._steps[0], steps_total=self._steps[1])
        return self._steps

    def take(self, steps_done: int, steps_total: int, *, wait_for_device: Callable[[], None]) -> None:
        """Keep the state after a step, if it is time. What goes wrong is logged, and the render goes on without."""
        since_seconds = self._clock() - self._taken_at
        if self._files is None or self._recorder is None or since_seconds < self._files.every_seconds:
            return
        if self._cost_seconds > MOST_COST * since_seconds:
            return
        wait_for_device()  # or the rest of the step would count as the cost of this
        began = self._clock()
        header = {"identity": self._identity, "attempt": self._attempt, "steps": [steps_done, steps_total]}
        try:
            content = to_bytes(self._recorder.state(), header, most_bytes=MOST_STATE_BYTES)
            self._files.write(self._generation_id, content)
        except (CannotBeSaved, OSError, SafetensorError, MemoryError, RuntimeError) as problem:
            if isinstance(problem, RuntimeError) and fault_of(problem) is not DeviceFault.OUT_OF_MEMORY:
                raise
            self._give_up(problem)
            return
        self._taken_at = self._clock()
        self._cost_seconds = self._taken_at - began
        log_event(log, "snapshot", step=steps_done, size_bytes=len(content), seconds=self._cost_seconds)

    def discard(self, why: object) -> None:
        """The render has to start anew."""
        log.warning("The snapshot of %s is dropped, its render starts anew: %s", self._generation_id, why)
        if self._files is not None:
            self._files.discard(self._generation_id)

    def _find(self, files: SnapshotFiles) -> dict[str, Any] | None:
        files.sweep()
        for path in files.of(self._generation_id):
            try:
                if (flaw := self._flaw(path)) is None:
                    return read_state(path, self._device)
            except _UNREADABLE as problem:
                flaw = f"{type(problem).__name__}: {problem}"
            log.warning("The snapshot of %s is dropped: %s", self._generation_id, flaw)
            path.unlink(missing_ok=True)
        return None

    def _flaw(self, path: Path) -> str | None:
        if not is_undamaged(path):
            return "it is damaged"
        header = read_header(path)
        said, own = header["identity"], self._identity
        if differing := sorted(name for name in said.keys() | own.keys() if said.get(name) != own.get(name)):
            return f"it is of another {', '.join(differing)}"
        if self._attempt - header["attempt"] >= MOST_DEATHS:
            return "attempts that went on from it came no further"
        self._steps = (int(header["steps"][0]), int(header["steps"][1]))
        return None

    def _give_up(self, problem: Exception) -> None:
        log.warning("No snapshots are kept of %s: %s: %s", self._generation_id, type(problem).__name__, problem)
        self._files = None
