"""Fixtures of the worker's tests: jobs, a worker in this process, and processes that are ended with their test."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
import redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from gpu_worker.contract import ModelSpec, RenderJob, RenderReport
from gpu_worker.lifeline import Lifeline
from gpu_worker.liveness import live_workers
from gpu_worker.rq_seams import valkey_rights
from gpu_worker.settings import Settings
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import RENDER_FUNCTION, RENDER_QUEUE, REPORTS_QUEUE, WORKERS_KEY, progress_key, worker_key
from gpu_worker.worker import GpuWorker
from gpu_worker.worker_status import WorkerStatus
from tests.gpu_worker.scripted import ScriptedEngine
from tests.gpu_worker.valkey_users import told, user_of
from tests.patience import wait_until

_numbers = itertools.count(1)


def make_job(folder: Path, *, slug: str = "red", prompt: str = "", **changes: Any) -> RenderJob:
    """One attempt of a five-step render whose files go under ``folder``."""
    generation_id = str(uuid.uuid4())
    job = RenderJob(
        generation_id=generation_id,
        attempt=1,
        model=ModelSpec(slug=slug, version=1, family="ltx", source=slug),
        mode="text",
        prompt=prompt or f"job {next(_numbers)}",
        seed=7,
        width=64,
        height=64,
        num_frames=9,
        fps=8.0,
        steps=5,
        outputs={
            "clip": (folder / generation_id / "clip.mp4").as_uri(),
            "poster": (folder / generation_id / "poster.jpg").as_uri(),
        },
        timeout_seconds=60,
    )
    return replace(job, **changes)


def enqueue(connection: redis.Redis, job: RenderJob, **changes: Any) -> Job:
    """As the website does it."""
    queue = Queue(RENDER_QUEUE, connection=connection, serializer=JSONSerializer)
    options = {"timeout": job.timeout_seconds, "result_ttl": 86_400, "job_id": job.job_id, "unique": True} | changes
    return queue.enqueue_call(RENDER_FUNCTION, args=(job.to_wire(),), **options)


def reports_of(connection: redis.Redis) -> list[tuple[str, list[Any]]]:
    """``(dotted name's last part, arguments)`` of everything on the reports queue, in order."""
    queue = Queue(REPORTS_QUEUE, connection=connection, serializer=JSONSerializer)
    return [(job.func_name.rsplit(".", 1)[1], list(job.args)) for job in queue.get_jobs()]


def finished_reports(connection: redis.Redis) -> list[RenderReport]:
    return [RenderReport.from_wire(args[0]) for name, args in reports_of(connection) if name == "finished"]


def stream_of(connection: redis.Redis, job: RenderJob) -> list[dict[str, Any]]:
    entries = cast(list[tuple[bytes, dict[bytes, bytes]]], connection.xrange(progress_key(job.generation_id)))
    return [json.loads(fields[b"data"]) | {"event": fields[b"event"].decode()} for _, fields in entries]


def meanwhile(action: Callable[[], None]) -> threading.Thread:
    """Do ``action`` beside the worker, which needs the main thread for its signals."""
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    """What a worker of this test run is started with."""
    return {
        "REDIS_URL": os.environ["REDIS_URL"],
        "GPU_WORKER_NAME": "worker-under-test",
        "GPU_WORKER_CACHE": str(tmp_path / "cache"),
        "GPU_WORKER_MODELS": str(tmp_path / "models"),
    } | changes


@pytest.fixture
def settings_of_worker(tmp_path: Path) -> Settings:
    return Settings.from_environment(environment(tmp_path))


@pytest.fixture
def run_worker(valkey: redis.Redis, tmp_path: Path) -> Iterator[Callable[..., GpuWorker]]:
    """Run a worker in this process until the line is empty, or until it is stopped."""

    def run(engine: ScriptedEngine | None = None, *, is_burst: bool = True, **changes: str) -> GpuWorker:
        settings = Settings.from_environment(environment(tmp_path, **changes))
        worker = GpuWorker(settings, engine or ScriptedEngine(), Lifeline(), connect(settings.redis_url))
        worker.work(burst=is_burst, logging_level=None)
        return worker

    # RQ takes these two over for good.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


class Supervised:
    """A supervisor process with its worker, for tests that kill one of them."""

    def __init__(
        self, connection: redis.Redis, tmp_path: Path, command: Sequence[str], changes: dict[str, str]
    ) -> None:
        self.connection = connection
        self.log_path = tmp_path / f"supervisor-{next(_numbers)}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.gpu_worker.scripted_supervisor", *command],
                env=os.environ | environment(tmp_path, **changes),
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )

    def worker(self) -> psutil.Process:
        """The worker process once it says that it is there."""
        status = wait_until(lambda: next(iter(live_workers(self.connection)), None))
        return psutil.Process(status.pid)

    def replacement_of(self, worker: psutil.Process) -> psutil.Process:
        """The worker process that came after ``worker``."""
        pids = wait_until(lambda: [s.pid for s in live_workers(self.connection) if s.pid != worker.pid])
        return psutil.Process(pids[0])

    def log(self) -> str:
        return self.log_path.read_text()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def supervise(valkey: redis.Redis, tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    """Start a supervisor over the scripted worker, or over ``command``."""
    started: list[Supervised] = []

    def start(*command: str, **changes: str) -> Supervised:
        started.append(Supervised(valkey, tmp_path, command, changes))
        return started[-1]

    yield start
    for supervised in started:
        supervised.end()


def report_status(connection: redis.Redis, name: str, *, state: str) -> None:
    """As a live worker's heartbeat does."""
    status = WorkerStatus(name=name, host="", pid=1, device="cpu", budget_bytes=0, state=state)
    connection.set(worker_key(name), json.dumps(status.to_wire()), ex=60)
    connection.zadd(WORKERS_KEY, {name: time.time()})


@pytest.fixture
def fleet_url(valkey: redis.Redis) -> Iterator[str]:
    """The address of the run's Valkey for every GPU host."""
    with user_of(valkey, valkey_rights.ANY_WORKER) as url:
        yield url


@pytest.fixture
def nothing_refused(valkey: redis.Redis, fleet_url: str) -> Iterator[None]:
    yield
    assert told(valkey, "ACL", "LOG") == []


@pytest.fixture
def host(fleet_url: str) -> Iterator[redis.Redis]:
    """Whoever has taken over a GPU host."""
    with redis.Redis.from_url(fleet_url) as connection:
        yield connection
