"""A remote worker takes from its own line, starts without torch, and leaves what is the cards' to them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from gpu_worker.contract import Outcome, RenderJob
from gpu_worker.lifeline import Lifeline
from gpu_worker.remote.set_up import engine_of
from gpu_worker.settings import Settings
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_FUNCTION
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, environment, finished_reports
from tests.gpu_worker.valkey_users import told, user_of
from tests.remote.conftest import job_for
from tests.remote.fake_api import serving
from tests.remote.openai.fake import FakeOpenAI


def enqueue_remote(connection: redis.Redis, job: RenderJob) -> None:
    queue = Queue(REMOTE_QUEUE, connection=connection, serializer=JSONSerializer)
    queue.enqueue_call(RENDER_FUNCTION, args=(job.to_wire(),), timeout=60, result_ttl=600, job_id=job.job_id)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_it_makes_a_clip_of_its_own_line_as_its_own_user(valkey: redis.Redis, tmp_path: Path, mp4: bytes) -> None:
    job, for_a_card = job_for(tmp_path, "remote"), job_for(tmp_path, "ltx")
    fake = FakeOpenAI(mp4, progress=())
    with serving(fake) as server, user_of(valkey, "worker-under-test", REMOTE_QUEUE) as url:
        accounts = tmp_path / "accounts.toml"
        accounts.write_text(f'[there]\nprovider = "openai"\nurl = "{server.url}/v1"\nkey = "a-key"\ntitle = "Example"')
        settings = Settings.from_environment(environment(tmp_path, GPU_WORKER_ACCOUNTS=str(accounts), REDIS_URL=url))
        enqueue(valkey, for_a_card)
        enqueue_remote(valkey, job)
        worker = GpuWorker(settings, engine_of(settings), Lifeline(), connect(settings.redis_url), REMOTE_QUEUE)
        worker.work(burst=True, logging_level=None)
        assert told(valkey, "ACL", "LOG") == []
    (report,) = finished_reports(valkey)
    assert (report.generation_id, report.outcome) == (job.generation_id, Outcome.SUCCEEDED)
    assert Path(job.outputs["clip"].removeprefix("file://")).read_bytes()[4:8] == b"ftyp"
    assert report.clip is not None
    assert report.clip.num_frames == 8
    assert valkey.llen("rq:queue:render") == 1


def test_an_account_that_no_remote_worker_has_ends_the_clip_with_words(valkey: redis.Redis, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('[another]\nprovider = "veo"\nkey = "a-key"')
    settings = Settings.from_environment(environment(tmp_path, GPU_WORKER_ACCOUNTS=str(accounts)))
    enqueue_remote(valkey, job_for(tmp_path, "remote"))
    worker = GpuWorker(settings, engine_of(settings), Lifeline(), connect(settings.redis_url), REMOTE_QUEUE)
    worker.work(burst=True, logging_level=None)
    (report,) = finished_reports(valkey)
    assert report.error is not None
    assert (report.error.code, report.error.is_retryable) == ("remote_not_set_up", False)


def test_it_brings_no_torch_along() -> None:
    program = """
from gpu_worker import without_torch
without_torch.choose()
import json, sys
import gpu_worker.worker, gpu_worker.remote.set_up, gpu_worker.render_errors
from gpu_worker.remote.errors import RemoteFailed
gpu_worker.render_errors.error_of(RemoteFailed("a", "b"))
print(json.dumps([name for name in ("torch", "diffusers", "transformers", "django") if name in sys.modules]))
"""
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert json.loads(said.stdout) == []
