"""Jobs of which one is delivered while the next is on the card, and what is to be seen of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from gpu_worker.contract import Outcome, RenderJob
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import finished_reports, make_job, meanwhile, stream_of
from tests.gpu_worker.scripted import ScriptedClip, ScriptedEngine

RunWorker = Callable[..., GpuWorker]
NAME = "worker-under-test"


class Noting(ScriptedEngine):
    """Notes which renders had been reported when each began."""

    def __init__(self, valkey: redis.Redis) -> None:
        super().__init__()
        self._valkey = valkey
        self.unreported: list[int] = []

    def render(self, job: RenderJob, **others: Any) -> ScriptedClip:
        self.unreported.append(len(self.rendered) - len(finished_reports(self._valkey)))
        return super().render(job, **others)


@pytest.fixture(scope="module", autouse=True)
def torch_is_loaded() -> None:
    """The errors of the engine bring it along; loaded by a job, it would take from that job's time."""
    importlib.import_module("gpu_worker.engine.errors")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Until it is there, a clip whose script waits for it is not written."""
    return tmp_path / "gate"


def overlapping(folder: Path, **script: Any) -> RenderJob:
    return make_job(folder, may_overlap=True, timeout_seconds=3600, call=script)


@contextmanager
def beside(action: Callable[[], None]) -> Iterator[None]:
    acting = meanwhile(action)
    yield
    acting.join()


def is_on_the_card(valkey: redis.Redis, job: RenderJob) -> bool:
    return any(event["stage"] == "denoising" for event in stream_of(valkey, job))


def is_being_written(valkey: redis.Redis, job: RenderJob) -> bool:
    return any(event["stage"] == "encoding_video" for event in stream_of(valkey, job))


def outcomes(valkey: redis.Redis) -> dict[str, tuple[Outcome, str]]:
    return {
        report.generation_id: (report.outcome, report.error.code if report.error else "")
        for report in finished_reports(valkey)
    }


DONE = (Outcome.SUCCEEDED, "")
