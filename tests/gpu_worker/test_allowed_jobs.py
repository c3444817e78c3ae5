"""The GPU worker renders, and does nothing else that a record in Valkey may ask for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from gpu_worker import render_job
from gpu_worker.contract import Outcome, RenderJob
from gpu_worker.valkey_names import RENDER_FUNCTION, RENDER_QUEUE
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job
from tests.gpu_worker.scripted import ScriptedEngine
from tests.queues import records
from tests.queues.records import EXTRAS, MODULE, NAMES, NO_NAMES, UNREADABLE, call, write

RunWorker = Callable[..., GpuWorker]


@pytest.fixture
def proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there as soon as anything of the stranger's has run in this process."""
    monkeypatch.syspath_prepend(tmp_path)
    proof = tmp_path / "proof"
    records.lay_module(tmp_path, proof)
    return proof


@pytest.fixture
def next_job(valkey: redis.Redis, tmp_path: Path) -> Callable[[], RenderJob]:
    """A job of the website's, behind whatever stands in line."""

    def put() -> RenderJob:
        job = make_job(tmp_path)
        enqueue(valkey, job)
        return job

    return put


def succeeded(valkey: redis.Redis) -> list[str]:
    return [report.generation_id for report in finished_reports(valkey) if report.outcome == Outcome.SUCCEEDED]


def test_the_table_names_the_render_function_alone() -> None:
    assert {RENDER_FUNCTION: render_job.run} == render_job.JOBS


@pytest.mark.parametrize("name", [*NAMES, *NO_NAMES, "generation.reports.finished"], ids=repr)
def test_another_name_is_refused(
    name: Any, valkey: redis.Redis, run_worker: RunWorker, next_job: Callable[[], RenderJob], proof: Path
) -> None:
    write(valkey, RENDER_QUEUE, "0a-1", call(name, f"touch {proof}", instance="x" if name == "instance" else None))
    job = next_job()
    run_worker()
    assert succeeded(valkey) == [job.generation_id]
    assert not proof.exists()
    assert valkey.hget("rq:job:0a-1", "status") == b"failed"


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_render_that_asks_for_more_is_refused(
    extra: str,
    valkey: redis.Redis,
    run_worker: RunWorker,
    next_job: Callable[[], RenderJob],
    proof: Path,
    tmp_path: Path,
) -> None:
    bad = make_job(tmp_path)
    write(valkey, RENDER_QUEUE, bad.job_id, call(RENDER_FUNCTION, bad.to_wire()), **EXTRAS[extra])
    good = next_job()
    engine = ScriptedEngine()
    run_worker(engine)
    assert engine.rendered == [good.prompt]
    assert not proof.exists()
    refused = next(report for report in finished_reports(valkey) if report.generation_id == bad.generation_id)
    assert refused.error is not None
    assert refused.error.code == "unreadable_job"
    assert valkey.hget(f"rq:job:{bad.job_id}", "status") == b"failed"


@pytest.mark.parametrize("field", UNREADABLE)
def test_a_record_that_cannot_be_read_drops_and_the_next_is_rendered(
    field: str, valkey: redis.Redis, run_worker: RunWorker, next_job: Callable[[], RenderJob], tmp_path: Path
) -> None:
    bad = make_job(tmp_path)
    write(valkey, RENDER_QUEUE, bad.job_id, **records.damaged(call(RENDER_FUNCTION, bad.to_wire()), UNREADABLE[field]))
    good = next_job()
    run_worker()
    assert succeeded(valkey) == [good.generation_id]
    assert valkey.llen("rq:queue:render") == valkey.llen("rq:queue:render:intermediate") == 0


def test_what_is_no_id_of_a_job_leaves_the_line(
    valkey: redis.Redis, run_worker: RunWorker, next_job: Callable[[], RenderJob]
) -> None:
    for odd in (b"\xff", b"a b", b"", b"a:b"):
        valkey.hset(b"rq:job:" + odd, "data", call(RENDER_FUNCTION))
        valkey.rpush("rq:queue:render", odd)
    good = next_job()
    run_worker()
    assert succeeded(valkey) == [good.generation_id]
    assert valkey.llen("rq:queue:render") == 0


def test_an_abandoned_render_with_a_failure_callback_runs_nothing(
    valkey: redis.Redis, run_worker: RunWorker, next_job: Callable[[], RenderJob], proof: Path
) -> None:
    abandoned = {"status": "started", "failure_callback_name": f"{MODULE}.called"}
    write(valkey, RENDER_QUEUE, "0a-1", call(RENDER_FUNCTION), is_in_line=False, **abandoned)
    valkey.zadd("rq:wip:render", {"0a-1:1": 1})
    good = next_job()
    run_worker()
    assert succeeded(valkey) == [good.generation_id]
    assert not proof.exists()
    assert valkey.zcard("rq:wip:render") == 0


def test_nothing_is_unpickled(
    valkey: redis.Redis, run_worker: RunWorker, next_job: Callable[[], RenderJob], proof: Path, tmp_path: Path
) -> None:
    pickled = pickle.dumps(records.Unpickled(proof))
    for field in ("data", "meta", "result"):
        bad = make_job(tmp_path)
        message = call(RENDER_FUNCTION, bad.to_wire())
        write(valkey, RENDER_QUEUE, bad.job_id, **records.damaged(message, {field: pickled}))
    good = next_job()
    run_worker()
    assert good.generation_id in succeeded(valkey)
    assert not proof.exists()
