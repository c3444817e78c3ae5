"""What forecasts have learned outlives the process that learned it."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import NoReturn

import pytest
from django.db import OperationalError

from accounts.models import Visitor
from catalog.models import Model
from generation.models import ForecastMemory, Generation
from generation.scheduling.forecast_memory import SAVED_EVERY_SECONDS, Memory
from generation.scheduling.observation import Observer
from gpu_worker.contract import Stage
from gpu_worker.worker_status import ResidentComponent
from tests.generation.test_observation import alike, clip, seen_by, status

__all__ = ["clip"]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> float:
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began + 300)
    return began


def came(clip: Generation, now: float) -> list[Generation]:
    rows = alike(clip, 21)
    for number, row in enumerate(rows):
        row.id, row.created_at = uuid.uuid4(), datetime.fromtimestamp(now + 10 * (number + 1), UTC)
    return rows


def refuse() -> NoReturn:
    raise OperationalError("away")


def save(observer: Observer) -> None:
    """As a process does that recalled long ago."""
    Memory(_saved_at=0.0).save(observer)


def restarted() -> Observer:
    observer = Observer()
    Memory().recall(observer)
    return observer


def test_a_new_process_knows_who_comes_and_counts_nobody_twice(clip: Generation, now: float) -> None:
    rows, observer = came(clip, now), Observer()
    observer._began = now
    before = seen_by(observer, rows, newest=rows).arrivals
    save(observer)
    assert before.per_second > 0
    assert seen_by(restarted(), rows, newest=rows).arrivals == before


def test_a_new_process_knows_which_machine_is_lost_and_what_models_load(clip: Generation, now: float) -> None:
    observer = Observer()
    held = ResidentComponent(key="transformer", size_bytes=2**30, tier="device", leases=1)
    clip.state, clip.worker = "running", "gpu-test"
    seen_by(observer, [clip], status(doing=clip, stage=Stage.DENOISING, residents=(held,)), status("gpu-2"))
    seen_by(observer, [], status())
    save(observer)
    found = seen_by(restarted(), [clip], status())
    assert [(machine.name, machine.away is None) for machine in found.machines] == [
        ("gpu-test", True),
        ("gpu-2", False),
    ]
    assert found.builds[clip.version.build] == ("transformer",)


def test_it_is_written_once_a_minute_and_stays_small(
    clip: Generation, now: float, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: object
) -> None:
    memory, observer = Memory(), Observer()
    memory.recall(observer)
    memory.save(observer)
    assert not ForecastMemory.objects.exists()
    monkeypatch.setattr(time, "time", lambda: now + 300 + SAVED_EVERY_SECONDS)
    for _ in range(3):
        memory.save(observer)
    assert sorted(ForecastMemory.objects.values_list("subject", flat=True)) == [
        "arrivals",
        "outages",
        "paces",
        "weights",
    ]


def test_a_database_that_is_away_at_the_first_round_costs_nothing_that_was_learned(
    clip: Generation, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, observer = came(clip, now), Observer()
    observer._began = now
    before = seen_by(observer, rows, newest=rows).arrivals
    save(observer)
    memory, observer = Memory(), Observer()
    with monkeypatch.context() as away:
        away.setattr(ForecastMemory.objects, "all", refuse)
        with pytest.raises(OperationalError):
            memory.recall(observer)
    monkeypatch.setattr(time, "time", lambda: now + 300 + 2 * SAVED_EVERY_SECONDS)
    memory.save(Observer())
    memory.recall(observer)
    monkeypatch.setattr(time, "time", lambda: now + 300)
    assert seen_by(observer, rows).arrivals == before


@pytest.mark.parametrize("learned", [{}, [], {"came": 3}, {"came": [[1]], "hours": {}}, {"here": [], "lost": {}}, None])
def test_what_is_of_another_kind_begins_anew(
    clip: Generation, toy: Model, alice: Visitor, now: float, learned: object, caplog: pytest.LogCaptureFixture
) -> None:
    at = datetime.fromtimestamp(now, UTC)
    for subject in ("arrivals", "outages"):
        ForecastMemory.objects.create(subject=subject, learned=learned if learned is not None else "words", at=at)
    assert seen_by(restarted(), []).arrivals == seen_by(Observer(), []).arrivals
    assert caplog.text.count("begins anew") == 2
