"""The whole GPU host: supervisor, worker and the real engine, where neither Django nor a database driver exists."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
import redis

from gpu_worker.contract import ModelSpec, Outcome, RenderJob, RenderReport, Stage
from gpu_worker.liveness import live_workers
from gpu_worker.preview.checkpoint import SHIPPED
from gpu_worker.snapshot_files import SnapshotFiles
from preview_model import recipe
from tests.gpu_worker.conftest import enqueue, environment, finished_reports, make_job, reports_of, stream_of
from tests.patience import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[2]
FORBIDDEN = (
    "django",
    "rest_framework",
    "psycopg",
    "accounts",
    "billing",
    "catalog",
    "generation",
    "loremotion",
)
BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed on a GPU host", name=name)
sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="module")
def valkey() -> Iterator[redis.Redis]:
    """The run's Valkey, emptied before these tests and after: they share a host."""
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    connection.flushdb()
    yield connection
    connection.flushdb()
    connection.close()


@pytest.fixture(scope="module")
def host_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def gpu_host(valkey: redis.Redis, host_folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m gpu_worker`` on the CPU; every Python of it refuses to import what only the website has."""
    blocker = host_folder / "site"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(BLOCKER)
    settings = environment(
        host_folder,
        GPU_WORKER_DEVICE="cpu",
        OMP_NUM_THREADS="1",
        PYTHONPATH=str(blocker),
        GPU_WORKER_SNAPSHOT_SECONDS="0",
        GPU_WORKER_YIELD_LEFT_SECONDS="0",
        GPU_WORKER_YIELD_GAIN="1",
        GPU_WORKER_YIELD_SHARE="1000",
    )
    with (host_folder / "gpu-host.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gpu_worker"], env=os.environ | settings, cwd=ROOT, stdout=log, stderr=log
        )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_SECONDS)


def report_on(connection: redis.Redis, job: RenderJob) -> RenderReport | None:
    """What the worker reported of ``job`` once this attempt of it had ended."""
    of_job = job.generation_id, job.attempt
    return next((each for each in finished_reports(connection) if (each.generation_id, each.attempt) == of_job), None)


def preview_job(folder: Path, **changes: Any) -> RenderJob:
    return make_job(
        folder,
        prompt="a red circle moving right on a black background",
        model=ModelSpec(slug="preview", version=1, family="preview", source=str(SHIPPED), dtype="float32"),
        width=recipe.WIDTH,
        height=recipe.HEIGHT,
        num_frames=recipe.NUM_FRAMES,
        fps=float(recipe.FPS),
        call={"guidance_scale": 1.0},
        **changes,
    )


def frames_of(folder: Path, job: RenderJob) -> list[bytes]:
    with av.open(str(folder / job.generation_id / "clip.mp4")) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def test_killed_in_the_middle_of_a_render_the_next_attempt_goes_on_to_the_same_frames(
    valkey: redis.Redis, gpu_host: subprocess.Popen[bytes], host_folder: Path, tmp_path: Path
) -> None:
    job = preview_job(tmp_path, steps=12)
    worker = wait_until(lambda: next(iter(live_workers(valkey)), None))
    enqueue(valkey, job)
    files = SnapshotFiles(host_folder / "cache" / "snapshots", 0.0)
    wait_until(lambda: files.of(job.generation_id))
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: [name for name, _ in reports_of(valkey) if name == "worker_lost"])
    last_step = stream_of(valkey, job)[-1]["step"]
    enqueue(valkey, replace(job, attempt=2))
    undisturbed = preview_job(tmp_path, steps=12)
    enqueue(valkey, undisturbed)

    wait_until(lambda: [status for status in live_workers(valkey) if status.pid != worker.pid])
    resumed = wait_until(lambda: report_on(valkey, replace(job, attempt=2)))
    whole = wait_until(lambda: report_on(valkey, undisturbed))

    log = (host_folder / "gpu-host.log").read_text()
    assert (resumed.outcome, whole.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED), log
    assert 0 < resumed.resumed_from_step <= last_step < resumed.steps_done == 12
    assert whole.resumed_from_step == 0
    assert frames_of(tmp_path, job) == frames_of(tmp_path, undisturbed)
    assert not list((host_folder / "cache" / "snapshots").iterdir())


def test_a_prompt_becomes_a_clip(
    valkey: redis.Redis, gpu_host: subprocess.Popen[bytes], host_folder: Path, tmp_path: Path
) -> None:
    job = preview_job(tmp_path, steps=3, upscale=2)
    wait_until(lambda: live_workers(valkey) or gpu_host.poll() is not None)
    enqueue(valkey, job)

    report = wait_until(lambda: report_on(valkey, job))

    assert report.outcome == Outcome.SUCCEEDED, (host_folder / "gpu-host.log").read_text()
    assert report.clip is not None
    clip = tmp_path / job.generation_id / "clip.mp4"
    assert hashlib.sha256(clip.read_bytes()).hexdigest() == report.clip.sha256
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == recipe.NUM_FRAMES == report.clip.num_frames
    assert (frames[0].width, frames[0].height) == (2 * recipe.WIDTH, 2 * recipe.HEIGHT)
    assert clip.with_name("poster.jpg").read_bytes().startswith(b"\xff\xd8")
    events = stream_of(valkey, job)
    stages = [event["stage"] for event in events if event["event"] == "stage"]
    assert stages == [stage.value for stage in Stage]
    assert [event["step"] for event in events if event["event"] == "step"] == [1, 2, 3]
    status = wait_until(lambda: next((s for s in live_workers(valkey) if s.state == "idle" and s.residents), None))
    assert {resident.name for resident in status.residents} >= {"transformer", "text_encoder", "vae"}


def test_the_requirements_of_a_gpu_host_name_nothing_of_the_website() -> None:
    lines = (ROOT / "requirements" / "gpu.txt").read_text().lower().splitlines()
    names = {re.split(r"[=<>\[;~! ]", line)[0] for line in lines if line and not line.startswith(("#", "-"))}
    assert {"torch", "rq", "redis", "httpx"} <= names
    assert not [name for name in names if name.startswith(("django", "psycopg", "stripe", "whitenoise", "uvicorn"))]
