"""How long a card has nothing to do between two jobs: the real worker loop on real Valkey, around the real engine.

From the moment that the frames of a clip have left the card to the first stage of the next job. Where a clip is
delivered before the next job begins, that is writing it, sending it, its report, RQ's bookkeeping and the pop; where it
is delivered beside the next one, the bookkeeping and the pop. ``python -m benchmarks.residency_gap`` compares both.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from gpu_worker.contract import RENDER_FUNCTION, RENDER_QUEUE, ModelSpec, Progress, RenderJob
from gpu_worker.engine import Cpu, Engine, RenderedFrames
from gpu_worker.lifeline import Lifeline
from gpu_worker.settings import Settings
from gpu_worker.valkey import connect
from gpu_worker.worker import GpuWorker
from loremotion.local.ports import free_port
from loremotion.local.valkey import Valkey
from tests.tiny import cogvideox, ltx


@dataclass(frozen=True, slots=True)
class Gap:
    wall_seconds: float
    own_seconds: float
    """Processor time of the worker: what remains of a gap when nobody else uses the machine."""


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


class WatchedEngine(Engine):
    """Notes when the card begins and ends each job."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.gaps: list[Gap] = []
        self._ended: tuple[float, float] | None = None

    def render_frames(
        self, job: RenderJob, *, on_progress: Callable[[Progress], None], **others: Any
    ) -> RenderedFrames:
        is_first = True

        def watched(progress: Progress) -> None:
            nonlocal is_first
            if is_first and self._ended is not None:
                self.gaps.append(Gap(*(now - before for now, before in zip(_now(), self._ended, strict=True))))
            is_first = False
            on_progress(progress)

        frames = super().render_frames(job, on_progress=watched, **others)
        self._ended = _now()
        return frames


def measure_gaps(scratch: Path, jobs: int, **changes: Any) -> list[Gap]:
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
            _enqueue(connection, _job(scratch, ("ltx", "cogvideox")[number % 2], number, changes))
        engine = WatchedEngine(device=Cpu(2**30), models=settings.models, cache=settings.cache)
        worker = GpuWorker(settings, engine, Lifeline(), connection)
        worker.work(burst=True, logging_level=None)
    finally:
        valkey.stop()
        logging.disable(logging.NOTSET)
    return engine.gaps


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
        steps=2,
        outputs=outputs,
        timeout_seconds=600,
        may_overlap=True,
    )
    return dataclasses.replace(job, **changes)


def _enqueue(connection: redis.Redis, job: RenderJob) -> None:
    queue = Queue(RENDER_QUEUE, connection=connection, serializer=JSONSerializer)
    queue.enqueue_call(RENDER_FUNCTION, args=(job.to_wire(),), timeout=600, job_id=job.job_id)


def main() -> None:
    """Print what lies between two jobs in both ways, of clips of 128 × 128 and 25 frames: 5 of each of two models."""
    seconds = {}
    for may_overlap in (False, True):
        with tempfile.TemporaryDirectory() as scratch:
            gaps = measure_gaps(Path(scratch), 10, width=128, height=128, num_frames=25, may_overlap=may_overlap)
        seconds[may_overlap] = statistics.median(gap.wall_seconds for gap in gaps)
    before, after = seconds[False], seconds[True]
    print(
        f"Idle card between two jobs, median of 9: delivered first {before * 1000:.0f} ms, delivered beside the next "
        f"{after * 1000:.0f} ms, {after / before:.0%}."
    )


if __name__ == "__main__":
    main()
