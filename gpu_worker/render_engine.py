"""The engine as the shell sees it: a small protocol, so that the shell is tested without loading torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gpu_worker.contract import ClipFacts, KeyTest, ModelSpec, OwnKey, Progress, RenderJob
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.worker_status import CardStatus, ResidentComponent


class RenderedClip(Protocol):
    """A finished render: two files and what is known of them."""

    @property
    def clip(self) -> Path: ...
    @property
    def poster(self) -> Path: ...
    @property
    def facts(self) -> ClipFacts: ...
    @property
    def stage_seconds(self) -> Mapping[str, float]: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def steps_done(self) -> int: ...
    @property
    def steps_total(self) -> int: ...
    @property
    def resumed_from_step(self) -> int: ...
    @property
    def similarity(self) -> float | None: ...


class RenderedFrames(Protocol):
    """A render that has left the card. What is left may be done on another thread, beside the next render."""

    @property
    def stage_seconds(self) -> Mapping[str, float]:
        """Seconds of the stages so far."""
        ...

    @property
    def resumed_from_step(self) -> int: ...

    def write(self) -> RenderedClip:
        """Raises ``EngineError`` and ``RenderStopped`` of ``gpu_worker.engine.errors``."""
        ...

    def discard(self) -> None: ...


class EngineStatus(Protocol):
    """What is on the device."""

    @property
    def budget_bytes(self) -> int: ...
    @property
    def used_bytes(self) -> int: ...
    @property
    def residents(self) -> Sequence[ResidentComponent]: ...
    @property
    def counters(self) -> Mapping[str, float]: ...
    @property
    def cards(self) -> Sequence[CardStatus]:
        """All of them where there are several."""
        ...


class RenderDevice(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def driver_version(self) -> str: ...


class RenderEngine(Protocol):
    """What the worker asks of ``gpu_worker.engine.Engine``, always from its main thread."""

    upcoming: Sequence[RenderJob]
    """The jobs next in line: what they need is evicted last."""

    @property
    def device(self) -> RenderDevice: ...

    def render_frames(
        self,
        job: RenderJob,
        *,
        inputs: Mapping[str, Any],
        folder: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        snapshots: SnapshotFiles | None = None,
    ) -> RenderedFrames:
        """Raises ``EngineError``, ``FatalDeviceError`` and ``RenderStopped`` of ``gpu_worker.engine.errors``."""
        ...

    def loading_seconds(self, model: ModelSpec) -> float | None:
        """Seconds of loading that a job of ``model`` would begin with now; None where that cannot be told."""
        ...

    def can_hold(self, job: RenderJob) -> str | None:
        """Why this device cannot render the job, or None."""
        ...

    def preload(self, model: ModelSpec) -> None: ...

    def evict(self, key: str) -> bool: ...

    def status(self) -> EngineStatus: ...


@runtime_checkable
class OpensKeys(Protocol):
    """An engine that makes clips with keys that workspaces brought."""

    @property
    def pairs(self) -> tuple[str, ...]:
        """Of which it can open what is sealed."""
        ...

    def test_key(self, own_key: OwnKey, account: str) -> tuple[KeyTest, str]:
        """Say whether the provider takes a key, and in which words. From any thread; raises nothing foreseen."""
        ...
