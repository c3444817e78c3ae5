"""An engine that renders by a script: no torch, no frames, but every event of a real render in its order.

A job's ``call`` is its script: ``step_seconds``, ``raises`` (a name in ``ERRORS``), ``at_step``, ``waits_for`` (a file
that has to appear before the step goes on), ``dies``, ``writing_waits_for`` (a file that has to appear before the clip
is written), ``writing_raises``.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_worker.contract import ClipFacts, ModelSpec, Progress, RenderJob, Stage
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.worker_status import CardStatus, ResidentComponent

MP4_HEAD = b"\x00\x00\x00\x18ftyp"
"""What the site knows a clip by."""


@dataclass(frozen=True)
class ScriptedClip:
    clip: Path
    poster: Path
    facts: ClipFacts
    stage_seconds: dict[str, float]
    peak_bytes: int
    steps_done: int
    steps_total: int
    resumed_from_step: int = 0
    similarity: float | None = None


@dataclass(frozen=True)
class ScriptedFrames:
    """``made`` as it will be once it is written."""

    made: ScriptedClip
    script: Mapping[str, Any]
    should_stop: Callable[[], bool]
    on_progress: Callable[[Progress], None]

    @property
    def stage_seconds(self) -> dict[str, float]:
        return self.made.stage_seconds

    @property
    def resumed_from_step(self) -> int:
        return self.made.resumed_from_step

    def write(self) -> ScriptedClip:
        steps = self.made.steps_total
        self.on_progress(Progress(kind="stage", stage=Stage.ENCODING_VIDEO, step=steps, steps_total=steps))
        if "writing_waits_for" in self.script:
            _wait_for(self.script["writing_waits_for"], self._stop_if_asked)
        if "writing_raises" in self.script:
            raise scripted_error(self.script["writing_raises"])
        self._stop_if_asked()
        return self.made

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            from gpu_worker.engine.errors import RenderStopped

            raise RenderStopped(self.made.steps_done, self.made.steps_total, {})

    def discard(self) -> None:
        pass


def _wait_for(path: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    while not Path(path).exists():
        meanwhile()
        time.sleep(0.005)


@dataclass(frozen=True)
class ScriptedStatus:
    budget_bytes: int = 1_000_000
    used_bytes: int = 400_000
    residents: tuple[ResidentComponent, ...] = ()
    counters: dict[str, float] = field(default_factory=dict)
    cards: tuple[CardStatus, ...] = ()


@dataclass(frozen=True)
class ScriptedDevice:
    name: str = "scripted card"
    driver_version: str = "scripted driver 1.0"


class ScriptedEngine:
    def __init__(
        self,
        *,
        resident: Mapping[str, float] | None = None,
        too_large: Sequence[str] = (),
        budget_bytes: int = 1_000_000,
    ) -> None:
        """``resident``: model slug → seconds it saves of ten. ``too_large``: slugs that do not fit."""
        self.budget_bytes = budget_bytes
        self.device = ScriptedDevice()
        self.upcoming: Sequence[RenderJob] = ()
        self.resident = dict(resident or {})
        self.too_large = tuple(too_large)
        self.rendered: list[str] = []
        self.upcoming_at_render: list[list[str]] = []
        self.evicted: list[str] = []
        self.inputs: Mapping[str, Any] = {}

    def render_frames(
        self,
        job: RenderJob,
        *,
        should_stop: Callable[[], bool],
        on_progress: Callable[[Progress], None],
        **others: Any,
    ) -> ScriptedFrames:
        made = self.render(job, should_stop=should_stop, on_progress=on_progress, **others)
        return ScriptedFrames(made, job.call, should_stop, on_progress)

    def render(
        self,
        job: RenderJob,
        *,
        inputs: Mapping[str, Any],
        folder: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        snapshots: SnapshotFiles | None = None,
    ) -> ScriptedClip:
        self.rendered.append(job.prompt)
        self.upcoming_at_render.append([j.prompt for j in self.upcoming])
        self.inputs = dict(inputs)
        on_progress(Progress(kind="stage", stage=Stage.LOADING, steps_total=job.steps))
        on_progress(Progress(kind="stage", stage=Stage.DENOISING, steps_total=job.steps))
        for step in range(1, job.steps + 1):
            if should_stop():
                from gpu_worker.engine.errors import RenderStopped

                raise RenderStopped(step - 1, job.steps, {"denoising": 0.5})
            self._act(job, step)
            on_progress(Progress(kind="step", stage=Stage.DENOISING, step=step, steps_total=job.steps))
        return self._clip(job, folder)

    def _act(self, job: RenderJob, step: int) -> None:
        script = job.call
        time.sleep(script.get("step_seconds", 0.0))
        if step != script.get("at_step", 1):
            return
        if "waits_for" in script:
            _wait_for(script["waits_for"])
        if "raises" in script:
            raise scripted_error(script["raises"])
        if script.get("dies"):
            os.kill(os.getpid(), signal.SIGKILL)

    def _clip(self, job: RenderJob, folder: Path) -> ScriptedClip:
        clip, poster = folder / "clip.mp4", folder / "poster.jpg"
        content = MP4_HEAD + f"{job.prompt} {job.seed}".encode() * 1000
        clip.write_bytes(content)
        poster.write_bytes(b"poster")
        facts = ClipFacts(
            width=job.width,
            height=job.height,
            num_frames=job.num_frames,
            fps=job.fps,
            duration_seconds=job.num_frames / job.fps,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        return ScriptedClip(clip, poster, facts, {"loading": 0.1, "denoising": 0.2}, 123_456, job.steps, job.steps)

    def status(self) -> ScriptedStatus:
        return ScriptedStatus(budget_bytes=self.budget_bytes)

    def loading_seconds(self, model: ModelSpec) -> float:
        return 10.0 - self.resident.get(model.slug, 0.0)

    def can_hold(self, job: RenderJob) -> str | None:
        return "it needs 80 GiB, the card has 24" if job.model.slug in self.too_large else None

    def preload(self, model: ModelSpec) -> None:
        self.resident[model.slug] = 10.0

    def evict(self, key: str) -> bool:
        self.evicted.append(key)
        return True


def scripted_error(name: str) -> BaseException:
    from gpu_worker.engine import errors

    made: dict[str, BaseException] = {
        "does_not_fit": errors.DoesNotFit("It needs 80 GiB and the card has 24 GiB"),
        "device_lost": errors.FatalDeviceError("scripted card: illegal memory access"),
        "unforeseen": ZeroDivisionError("secret prompt in the text of an error"),
    }
    return made[name]
