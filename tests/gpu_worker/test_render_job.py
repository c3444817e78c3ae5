"""One job from the queue to its report, with a scripted engine and real Valkey."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from PIL import Image

from gpu_worker import render_job
from gpu_worker.contract import LATE_SECONDS, Outcome, Progress, RenderJob
from gpu_worker.deadline import Deadline, TimedOut
from gpu_worker.engine import errors
from gpu_worker.error_codes import NOT_STORED
from gpu_worker.lifeline import Lifeline
from gpu_worker.render_errors import error_of
from gpu_worker.sandbox import FileUnreadable
from gpu_worker.service_time import ServiceTimes
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job, reports_of, stream_of
from tests.gpu_worker.file_server import serving
from tests.gpu_worker.scripted import ScriptedEngine

RunWorker = Callable[..., GpuWorker]


def test_it_works(valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path) -> None:
    job = make_job(tmp_path, secret="of the attempt")
    rq_job = enqueue(valkey, job)

    run_worker()

    clip = tmp_path / job.generation_id / "clip.mp4"
    [(began, (generation_id, attempt, worker, secret)), (ended, _)] = reports_of(valkey)
    [report] = finished_reports(valkey)
    assert (began, generation_id, attempt, worker) == ("started", job.generation_id, 1, "worker-under-test")
    assert ended == "finished"
    assert (secret, report.secret) == (job.secret, job.secret)
    assert report.outcome == Outcome.SUCCEEDED
    assert report.clip is not None
    assert report.clip.size_bytes == clip.stat().st_size
    assert (report.steps_done, report.steps_total, report.peak_bytes) == (5, 5, 123_456)
    assert set(report.stage_seconds) == {"loading", "denoising", "uploading"}
    assert rq_job.return_value() == report.to_wire()
    assert [entry["step"] for entry in stream_of(valkey, job) if entry["event"] == "step"] == [1, 2, 3, 4, 5]
    assert sorted(path.name for path in clip.parent.iterdir()) == ["clip.mp4", "poster.jpg"]


@pytest.mark.parametrize("is_sampled", [True, False])
def test_pictures_are_scored_where_the_job_says_so(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_sampled: bool
) -> None:
    monkeypatch.setattr("gpu_worker.picture_classifier.ClipScorer.score", lambda *_: 0.25)
    enqueue(valkey, make_job(tmp_path, is_sampled=is_sampled))
    run_worker()
    [report] = finished_reports(valkey)
    assert report.outcome == Outcome.SUCCEEDED
    assert report.picture_score == (0.25 if is_sampled else None)


def test_what_is_told_of_it_is_a_share_of_the_whole(valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path) -> None:
    job = make_job(tmp_path)
    enqueue(valkey, job)
    run_worker()
    told = {(entry["stage"], entry["step"]): entry["percent"] for entry in stream_of(valkey, job)}
    percents = list(told.values())
    assert percents == sorted(percents)
    assert 0 < told["denoising", 1] < told["denoising", 5] < told["uploading", 5] < 100


def test_the_same_attempt_twice_gives_the_same_files_and_one_report(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    job = make_job(tmp_path)
    contents = []
    for _ in range(2):
        valkey.delete(f"rq:job:{job.job_id}")
        enqueue(valkey, job)
        run_worker()
        contents.append((tmp_path / job.generation_id / "clip.mp4").read_bytes())

    assert contents[0] == contents[1]
    assert len(finished_reports(valkey)) == 1


def test_files_travel_over_http_and_inputs_reach_the_engine(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (8, 6)).save(picture)
    engine = ScriptedEngine()
    with serving() as server:
        server.files["/in"] = picture.read_bytes()
        outputs = {"clip": server.address("/clip"), "poster": server.address("/poster")}
        enqueue(valkey, make_job(tmp_path, mode="image", inputs={"image": server.address("/in")}, outputs=outputs))
        run_worker(engine)

    [report] = finished_reports(valkey)
    assert report.clip is not None
    assert hashlib.sha256(server.files["/clip"]).hexdigest() == report.clip.sha256
    assert server.files["/poster"] == b"poster"
    assert engine.inputs["image"].size == (8, 6)


def test_an_upload_that_fails_for_good_is_a_retryable_failure(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    with serving() as server:
        server.answers = [503] * 2
        job = make_job(tmp_path, outputs={"clip": server.address("/clip?signature=secret")})
        enqueue(valkey, job)
        run_worker(GPU_WORKER_TRANSFER_ATTEMPTS="2")

    [report] = finished_reports(valkey)
    assert report.error is not None
    assert (report.outcome, report.error.code, report.error.is_retryable) == (Outcome.FAILED, "upload_failed", True)
    assert report.error.message == NOT_STORED
    assert (report.steps_done, report.steps_total) == (5, 5)


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
@pytest.mark.parametrize(
    "place", ["image.png", "{id}/image.sh", "{id}/../.bashrc", "{id}/../../etc/x.png", "{id}.png", "{id}/a/clip.mp4"]
)
def test_a_file_of_the_host_that_is_none_of_the_websites_is_neither_read_nor_written(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, kind: str, place: str
) -> None:
    """Another host can write into the record of a job that waits."""
    own = Path(f"{tmp_path}/host/{place.format(id=uuid.uuid4())}")
    changes: dict[str, Any] = {kind: {"image": f"file://{own}"}}
    enqueue(valkey, make_job(tmp_path, **changes))
    engine = ScriptedEngine()

    run_worker(engine)

    [report] = finished_reports(valkey)
    assert report.error is not None
    assert report.error.is_retryable  # the next attempt has the website's addresses
    assert engine.rendered == []
    assert not (tmp_path / "host").exists()


def test_an_input_that_is_missing_or_unreadable_is_final(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path
) -> None:
    folder = tmp_path / str(uuid.uuid4())
    folder.mkdir()
    noise = folder / "image.png"
    noise.write_bytes(b"noise" * 50)
    for path in (folder / "last_image.png", noise):
        enqueue(valkey, make_job(tmp_path, mode="image", inputs={"image": path.as_uri()}))
    engine = ScriptedEngine()

    run_worker(engine)

    errors = [report.error for report in finished_reports(valkey)]
    assert [(e.code, e.is_retryable) for e in errors if e] == [
        ("input_unavailable", False),
        ("input_unreadable", False),
    ]
    assert engine.rendered == []


@pytest.mark.parametrize(
    ("raised", "code", "is_retryable"),
    [
        (errors.DoesNotFit("x"), "does_not_fit", False),
        (errors.ModelMissing("x"), "model_missing", True),
        (errors.FatalDeviceError("x"), "device_lost", True),
        (TimedOut("x"), "timeout", False),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full", True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full", True),
        (OSError(errno.EIO, "Input/output error"), "internal", False),
        (ValueError("x"), "internal", False),
        (FileUnreadable("x"), "input_unreadable", False),
    ],
)
def test_each_kind_of_error_has_its_code(raised: Exception, code: str, is_retryable: bool) -> None:
    reported = error_of(raised)
    assert (reported.code, reported.is_retryable) == (code, is_retryable)


def test_no_alarm_rings_while_a_job_runs(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds_to_alarm = []

    class Watching(ScriptedEngine):
        def _act(self, job: RenderJob, step: int) -> None:
            seconds_to_alarm.append(signal.getitimer(signal.ITIMER_REAL)[0])

    enqueue(valkey, make_job(tmp_path))
    run_worker(Watching())
    assert seconds_to_alarm == [0.0] * 5


def test_the_supervisor_is_never_asked_for_more_patience_than_the_deadline_leaves(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str | None, float]] = []
    say = Lifeline.say

    def listened(line: Lifeline, job_id: str | None, seconds: float) -> None:
        said.append((job_id, seconds))
        say(line, job_id, seconds)

    monkeypatch.setattr(Lifeline, "say", listened)
    job = make_job(tmp_path, timeout_seconds=9)
    enqueue(valkey, job)
    run_worker(GPU_WORKER_STALL_SECONDS="3000")
    while_rendering = [seconds for job_id, seconds in said if job_id == job.job_id and seconds < 600]
    assert len(while_rendering) > 5
    assert max(while_rendering) <= 9 + LATE_SECONDS


class Slow(ScriptedEngine):
    """Steps of 400 seconds, by what it says, each followed by a picture; each one's silence is noted as it begins."""

    def __init__(self, patience: list[float]) -> None:
        super().__init__()
        self._patience = patience
        self.allowed_seconds: list[float] = []

    def render(self, job: RenderJob, *, on_progress: Callable[[Progress], None], **others: Any) -> Any:
        def with_pictures(progress: Progress) -> None:
            on_progress(dataclasses.replace(progress, seconds_per_step=400.0) if progress.step else progress)
            if progress.kind == "step":
                on_progress(dataclasses.replace(progress, kind="preview", preview="data:"))

        return super().render(job, on_progress=with_pictures, **others)

    def _act(self, job: RenderJob, step: int) -> None:
        self.allowed_seconds.append(round(self._patience[-1]))


def test_silence_is_judged_by_what_is_known_of_the_job(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[float] = []
    monkeypatch.setattr(Lifeline, "say", lambda line, job_id, seconds: patience.append(seconds))
    job = make_job(tmp_path, timeout_seconds=9_000)
    engine = Slow(patience)
    enqueue(valkey, job)
    run_worker(engine)
    first, *later = engine.allowed_seconds
    assert first > 8_900  # nothing is known of this model yet: its first step may compile, and has the job's own time
    assert later == [5 * 400] * 4  # and a picture between two steps takes nothing from it


def test_the_first_step_of_a_known_model_may_take_as_long_as_such_a_job(
    valkey: redis.Redis, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[float] = []
    monkeypatch.setattr(Lifeline, "say", lambda line, job_id, seconds: patience.append(seconds))
    monkeypatch.setattr(ServiceTimes, "seconds", lambda times, job: 700.0)
    engine = Slow(patience)
    enqueue(valkey, make_job(tmp_path, timeout_seconds=9_000))
    run_worker(engine)
    assert engine.allowed_seconds[0] == 700


def test_time_is_up_at_the_moment_and_not_before() -> None:
    now = 100.0
    deadline = Deadline(5.0, clock=lambda: now)
    deadline.check()
    now = 104.9
    deadline.check()
    now = 105.0
    with pytest.raises(TimedOut, match="given 5 s"):
        deadline.check()
    now = 500.0
    assert deadline.seconds_left == 0.0


def test_outside_of_a_worker_the_job_says_where_it_belongs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(render_job, "_renderer", None)
    with pytest.raises(RuntimeError, match="python -m gpu_worker --worker"):
        render_job.run(make_job(tmp_path).to_wire())
