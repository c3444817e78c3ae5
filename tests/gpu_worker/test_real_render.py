"""The whole GPU host: supervisor, worker and the real engine, where neither Django nor a database driver exists."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import redis

from gpu_worker.contract import ModelSpec, Outcome, Stage
from gpu_worker.liveness import live_workers
from gpu_worker.preview.checkpoint import SHIPPED
from preview_model import recipe
from tests.gpu_worker.conftest import enqueue, environment, finished_reports, make_job, stream_of
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


@pytest.fixture
def gpu_host(valkey: redis.Redis, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m gpu_worker`` on the CPU; every Python of it refuses to import what only the website has."""
    blocker = tmp_path / "site"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(BLOCKER)
    settings = environment(tmp_path, GPU_WORKER_DEVICE="cpu", OMP_NUM_THREADS="1", PYTHONPATH=str(blocker))
    with (tmp_path / "gpu-host.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gpu_worker"], env=os.environ | settings, cwd=ROOT, stdout=log, stderr=log
        )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_SECONDS)


def test_a_prompt_becomes_a_clip(valkey: redis.Redis, gpu_host: subprocess.Popen[bytes], tmp_path: Path) -> None:
    model = ModelSpec(slug="preview", version=1, family="preview", source=str(SHIPPED), dtype="float32")
    job = make_job(
        tmp_path,
        prompt="a red circle moving right on a black background",
        model=model,
        width=recipe.WIDTH,
        height=recipe.HEIGHT,
        num_frames=recipe.NUM_FRAMES,
        fps=float(recipe.FPS),
        steps=3,
        upscale=2,
        call={"guidance_scale": 1.0},
    )
    wait_until(lambda: live_workers(valkey) or gpu_host.poll() is not None)
    enqueue(valkey, job)

    [report] = wait_until(lambda: finished_reports(valkey))

    assert report.outcome == Outcome.SUCCEEDED, (tmp_path / "gpu-host.log").read_text()
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
