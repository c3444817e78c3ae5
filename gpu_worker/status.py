"""The worker's status as the fleet sees it, put together on the main thread, where the engine may be asked."""

from __future__ import annotations

import os
import socket
import time
from collections import defaultdict
from dataclasses import replace

from gpu_worker.contract import Outcome, RenderJob, RenderReport
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.render_engine import OpensKeys, RenderEngine
from gpu_worker.step_aside import NEVER, AsideBounds
from gpu_worker.worker_status import DRAINING, WorkerStatus


def first_status(name: str, engine: RenderEngine, aside: AsideBounds = NEVER) -> WorkerStatus:
    """The status of a worker that has loaded its engine and has not looked at the queue yet."""
    return WorkerStatus(
        name=name,
        host=socket.gethostname(),
        pid=os.getpid(),
        device=engine.device.name,
        driver=engine.device.driver_version,
        budget_bytes=engine.status().budget_bytes,
        state="starting",
        pairs=engine.pairs if isinstance(engine, OpensKeys) else (),
        aside=aside,
    )


class StatusReporter:
    """Says what the worker does now. One that is leaving, drained or without room for files shows as ``draining``."""

    def __init__(self, heart: Heartbeat, engine: RenderEngine) -> None:
        self.is_leaving = False
        self.is_drained = False
        self.has_no_room = False
        self._heart = heart
        self._engine = engine
        self._counts: defaultdict[str, float] = defaultdict(float)

    def idle(self) -> None:
        state = DRAINING if self.is_leaving or self.is_drained or self.has_no_room else "idle"
        self._heart.show(
            replace(self._measured(), state=state, generation_id=None, attempt=0, stage="", started_at=0.0)
        )

    def busy(self, job: RenderJob) -> None:
        status = replace(self._measured(), generation_id=job.generation_id, attempt=job.attempt, started_at=time.time())
        self._heart.show(replace(status, state=DRAINING if self.is_leaving or self.is_drained else "busy"))

    def delivering(self, job: RenderJob | None) -> None:
        """The frames of this job have left the card; None: it is delivered."""
        generation_id, attempt = (job.generation_id, job.attempt) if job else (None, 0)
        self._heart.show(replace(self._heart.status, delivering_id=generation_id, delivering_attempt=attempt))

    def stage(self, stage: str) -> None:
        """Called at each step too: of several cards, those that have part in the clip are known with the first."""
        said = self._heart.status
        if stage != said.stage or (said.cards and said.cards != tuple(self._engine.status().cards)):
            self._heart.show(replace(self._measured(), stage=stage))

    def leaving(self) -> None:
        """From a signal handler, so without the engine and without waking the heartbeat, whose lock may be held."""
        self.is_leaving = True
        self._heart.status = replace(self._heart.status, state=DRAINING)

    def count(self, report: RenderReport) -> None:
        self._counts[f"renders_{report.outcome.value}"] += 1
        if report.outcome == Outcome.SUCCEEDED and report.clip is not None:
            self._counts["clip_seconds"] += report.clip.duration_seconds

    def _measured(self) -> WorkerStatus:
        """The last status with what is on the device now."""
        engine = self._engine.status()
        return replace(
            self._heart.status,
            budget_bytes=engine.budget_bytes,
            used_bytes=engine.used_bytes,
            residents=tuple(engine.residents),
            cards=tuple(engine.cards),
            counters={**engine.counters, **self._counts},
        )
