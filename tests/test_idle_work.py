"""A web process that nobody asks is not late, and one that could not answer is."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection

from gpu_worker.last_work import process_key
from loremotion import health, idle_work
from loremotion.idle_work import IdleWork
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db  # over a connection of a request's thread, to the run's database


@pytest.fixture(autouse=True)
def fresh_note() -> None:
    health.web_work.cache_clear()


async def _never(*_: Any) -> None:
    raise AssertionError("somebody was asked")


def serve(until: Callable[[], bool]) -> list[str]:
    """Run a server's lifespan until that is so; returns what the application said of it."""
    said: list[str] = []

    async def send(message: Any) -> None:
        said.append(message["type"])

    async def lifespan() -> None:
        messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        messages.put_nowait({"type": "lifespan.startup"})
        served = asyncio.create_task(IdleWork(_never)({"type": "lifespan"}, messages.get, send))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not until():
                await asyncio.sleep(0.01)
        messages.put_nowait({"type": "lifespan.shutdown"})
        await served

    asyncio.run(lifespan())
    return said


def test_it_says_from_its_start_that_it_works(valkey: redis.Redis) -> None:
    said = serve(until=lambda: bool(valkey.exists(process_key("web"))))
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_it_says_so_again_and_again(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_work, "EVERY_SECONDS", 0.0)
    rounds: list[str] = []
    monkeypatch.setattr(idle_work, "work", lambda: rounds.append(threading.current_thread().name))
    serve(until=lambda: len(rounds) > 2)
    assert all(name.startswith("request") for name in rounds), "it takes the way of a request"


def test_one_whose_database_does_not_answer_says_nothing(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setattr(connection, "cursor", _refused)
        idle_work.work()
    assert not valkey.exists(process_key("web"))
    idle_work.work()
    assert valkey.exists(process_key("web"))


def test_a_round_that_fails_is_logged_and_the_next_one_comes(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(idle_work, "EVERY_SECONDS", 0.0)
    rounds: list[int] = []

    def fail_once() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise RuntimeError("no thread is to be had")

    monkeypatch.setattr(idle_work, "work", fail_once)
    serve(until=lambda: len(rounds) > 1)
    assert [record.levelno for record in caplog.records if record.name == idle_work.__name__] == [logging.ERROR]


def _refused() -> Any:
    raise OperationalError("the connection is closed")
