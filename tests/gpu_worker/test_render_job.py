"""One job from the queue to its report, with a scripted engine and real Valkey."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis

from gpu_worker.contract import Outcome
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job, reports_of, stream_of

RunWorker = Callable[..., GpuWorker]


def test_it_works(valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path) -> None:
    job = make_job(tmp_path)
    rq_job = enqueue(valkey, job)

    run_worker()

    clip = tmp_path / job.generation_id / "clip.mp4"
    [(began, (generation_id, attempt, worker)), (ended, _)] = reports_of(valkey)
    [report] = finished_reports(valkey)
    assert (began, generation_id, attempt, worker) == ("started", job.generation_id, 1, "worker-under-test")
    assert ended == "finished"
    assert report.outcome == Outcome.SUCCEEDED
    assert report.clip is not None
    assert report.clip.size_bytes == clip.stat().st_size
    assert (report.steps_done, report.steps_total, report.peak_bytes) == (5, 5, 123_456)
    assert set(report.stage_seconds) == {"loading", "denoising", "uploading"}
    assert rq_job.return_value() == report.to_wire()
    assert [entry["step"] for entry in stream_of(valkey, job) if entry["event"] == "step"] == [1, 2, 3, 4, 5]
    assert sorted(path.name for path in clip.parent.iterdir()) == ["clip.mp4", "poster.jpg"]
