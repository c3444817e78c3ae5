"""How long a card has nothing to do between two jobs: the real worker loop on real Valkey, around the real engine.

From the moment that the frames of a clip have left the card until the next job computes. Where a clip is delivered
before the next job begins, that is writing it, sending it, its report, RQ's bookkeeping, the pop and what the engine
prepares; where it is delivered beside the next one, the bookkeeping, the pop and what the engine prepares.

``python -m benchmarks.residency_gap`` compares both for clips of a size that people ask for. The pictures are a tiny
model's, enlarged as they are written, and a step waits as for a card, which takes no processor. Clips are written to a
folder of this machine: over a network, delivering takes longer and what is left between two jobs does not.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from gpu_worker.contract import ModelSpec, Progress, RenderJob, RenderReport, Stage
from gpu_worker.engine import Cpu, Engine, RenderedFrames
from gpu_worker.engine.video.clip import Frame
from gpu_worker.engine.video.writer import ClipWriter
from gpu_worker.lifeline import Lifeline
from gpu_worker.settings import Settings
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import RENDER_FUNCTION, RENDER_QUEUE
from gpu_worker.worker import GpuWorker
from loremotion.local.ports import free_port
from loremotion.local.valkey import Valkey
from tests.tiny import cogvideox, ltx

MODELS = ("ltx", "cogvideox")
AS_ASKED_FOR = {"width": 192, "height": 128, "upscale": 4, "num_frames": 121, "fps": 24}
"""Written as 768 × 512, five seconds."""
STEPS = 2
CARD_SECONDS = 8.0
"""Of the steps of such a clip: few rows of the catalogue are quicker on the cards that they are for."""
MOST = 0.1
"""Idle time of what it is where each clip is finished before the next begins."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Between two jobs."""

    to_begin: float
    """Seconds from the frames of one to the first stage of the next."""
    to_compute: float
    """Seconds until that one computes: also what is prepared on the processor, and what is loaded."""
    own_seconds: float
    """Processor time of the worker's main thread until the first stage: what remains when nobody else uses the
    machine."""


@dataclass(frozen=True, slots=True)
class Measured:
    gaps: list[Gap]
    report_seconds: list[float]
    """Of each job, from its last step to its report."""

    @property
    def idle_seconds(self) -> float:
        """Median of what a card has nothing to do for; each model's first clip, which loads it, is left out."""
        return statistics.median(gap.to_compute for gap in self.gaps[len(MODELS) - 1 :])

    @property
    def finishing_seconds(self) -> float:
        """Median from the last step to the report, of the same clips."""
        return statistics.median(self.report_seconds[len(MODELS) :])


class WatchedEngine(Engine):
    """Notes when the card begins and ends each job."""

    def __init__(self, *, step_seconds: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.gaps: list[Gap] = []
        self.last_step_at: dict[str, float] = {}
        self._step_seconds = step_seconds
        self._ended: tuple[float, float] | None = None
        self._begun: tuple[float, float] | None = None

    def render_frames(
        self, job: RenderJob, *, on_progress: Callable[[Progress], None], **others: Any
    ) -> RenderedFrames:
        self._begun = None
        is_on_card = True  # afterwards its delivery speaks, on a thread of its own or before the next job

        def watched(progress: Progress) -> None:
            if is_on_card:
                self._note(progress)
            on_progress(progress)
            if progress.kind == "step":
                time.sleep(self._step_seconds)
                self.last_step_at[job.job_id] = time.perf_counter()

        frames = super().render_frames(job, on_progress=watched, **others)
        is_on_card = False
        self._ended = _now()
        return frames

    def _note(self, progress: Progress) -> None:
        self._begun = self._begun or _now()
        if self._ended is not None and progress.stage != Stage.LOADING:
            (ended, own), (begun, own_begun) = self._ended, self._begun
            self.gaps.append(Gap(begun - ended, time.perf_counter() - ended, own_begun - own))
            self._ended = None


class WatchedWorker(GpuWorker):
    """Notes when each job is reported."""

    def __init__(self, *given: Any) -> None:
        self.reported_at: dict[str, float] = {}
        super().__init__(*given)

    def _on_report(self, job: RenderJob, report: RenderReport) -> None:
        self.reported_at[job.job_id] = time.perf_counter()
        super()._on_report(job, report)


class LateWriter(ClipWriter):
    """Begins to encode when all frames are there."""

    _is_finishing = False

    def put(self, index: int, frame: Frame) -> None:
        if self._is_finishing:
            super().put(index, frame)

    def finish(self, *frames: Any, **others: Any) -> None:
        self._is_finishing = True
        super().finish(*frames, **others)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def measure(scratch: Path, jobs: int, *, step_seconds: float = 0.0, **changes: Any) -> Measured:
    """What lies between ``jobs`` jobs of two models in one burst. ``changes`` are of each job."""
    logging.disable(logging.INFO)  # RQ writes three lines a job
    ltx.build(scratch / "models" / "ltx")
    cogvideox.build(scratch / "models" / "cogvideox")
    valkey = Valkey(scratch / "valkey", free_port(), is_durable=False)
    valkey.start()
    try:
        settings = Settings.from_environment(
            os.environ
            | {
                "REDIS_URL": valkey.url(),
                "GPU_WORKER_NAME": "bench",
                "GPU_WORKER_CACHE": str(scratch / "cache"),
                "GPU_WORKER_MODELS": str(scratch / "models"),
            }
        )
        connection = connect(settings.redis_url)
        for number in range(jobs):
            _enqueue(connection, _job(scratch, MODELS[number % len(MODELS)], number, changes))
        engine = WatchedEngine(
            step_seconds=step_seconds, device=Cpu(2**30), models=settings.models, cache=settings.cache
        )
        worker = WatchedWorker(settings, engine, Lifeline(), connection)
        worker.work(burst=True, logging_level=None)
    finally:
        valkey.stop()
        logging.disable(logging.NOTSET)
    return Measured(engine.gaps, [worker.reported_at[job] - at for job, at in engine.last_step_at.items()])


def _job(folder: Path, family: str, number: int, changes: dict[str, Any]) -> RenderJob:
    generation_id = f"00000000-0000-0000-0000-{number:012}"
    names = {"clip": "clip.mp4", "poster": "poster.jpg"}
    outputs = {role: (folder / generation_id / name).as_uri() for role, name in names.items()}
    job = RenderJob(
        generation_id=generation_id,
        attempt=1,
        model=ModelSpec(slug=family, version=1, family=family, source=family, dtype="float32"),
        mode="text",
        prompt=f"clip {number}",
        seed=number,
        width=64,
        height=64,
        num_frames=9,
        fps=8,
        steps=STEPS,
        outputs=outputs,
        timeout_seconds=600,
        may_overlap=True,
    )
    return dataclasses.replace(job, **changes)


def _enqueue(connection: redis.Redis, job: RenderJob) -> None:
    queue = Queue(RENDER_QUEUE, connection=connection, serializer=JSONSerializer)
    queue.enqueue_call(RENDER_FUNCTION, args=(job.to_wire(),), timeout=600, job_id=job.job_id)


def main() -> int:
    """Print what lies between two clips in both ways; 1 where that is more than it may be."""
    clips = 2 * len(MODELS) + 1
    before, now = (_of_clips_as_asked_for(clips, is_in_series=is_in_series) for is_in_series in (True, False))
    share = now.idle_seconds / before.idle_seconds
    print(f"Clips of 768 × 512 and 121 frames, {CARD_SECONDS:.0f} s of steps each, medians of {clips - len(MODELS)}.\n")
    print("| | the card is idle until the next job computes | from the last step to the report |\n|---|---|---|")
    rows = {"each finished before the next begins": before, "encoded as frames come, delivered beside the next": now}
    for way, found in rows.items():
        print(f"| {way} | {found.idle_seconds * 1000:.0f} ms | {found.finishing_seconds:.2f} s |")
    print(f"\nIdle: {share:.1%} of what it was (at most {MOST:.0%}).")
    return 0 if share <= MOST else 1


def _of_clips_as_asked_for(clips: int, *, is_in_series: bool) -> Measured:
    writer = LateWriter if is_in_series else ClipWriter
    with patch("gpu_worker.engine.engine.ClipWriter", writer), tempfile.TemporaryDirectory() as scratch:
        step_seconds, may_overlap = CARD_SECONDS / STEPS, not is_in_series
        return measure(Path(scratch), clips, step_seconds=step_seconds, may_overlap=may_overlap, **AS_ASKED_FOR)


if __name__ == "__main__":
    sys.exit(main())
