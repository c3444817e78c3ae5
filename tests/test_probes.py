"""What balancers and supervisors are told, by the site as it is served."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection
from pytest_django import Settings

from gpu_worker.last_work import process_key
from loremotion import health, probes, valkey
from loremotion.local.ports import free_port
from loremotion.probes import Probes
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db  # the site asks the run's database, over a connection of its own


async def _never(*_: Any) -> None:
    raise AssertionError("Django was asked")


def ask(path: str, *, times: int = 1, host: str = "10.1.2.3") -> list[httpx.Response]:
    """What as many who ask at once are told, each with a Host that the site does not know."""

    async def asked() -> list[httpx.Response]:
        transport = httpx.ASGITransport(cast(Any, Probes(_never)))  # httpx wants messages that may be changed
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await asyncio.gather(*(client.get(path) for _ in range(times)))

    return asyncio.run(asked())


@pytest.fixture
def without_valkey(settings: Settings) -> Any:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    valkey.connection.cache_clear()
    yield
    valkey.connection.cache_clear()


def test_a_live_process_asks_no_store(without_valkey: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PORT", free_port())
    [answer] = ask("/livez")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_a_process_with_its_stores_is_ready_whatever_host_is_named(valkey: redis.Redis, path: str) -> None:
    [answer] = ask(path)
    assert answer.status_code == 200
    assert [answer.json()[part] for part in ("database", "valkey", "disk")] == [True, True, True]


def test_without_database_it_is_not_ready_and_says_so(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PORT", free_port())
    [answer] = ask("/readyz")
    assert (answer.status_code, answer.json()["database"], answer.json()["valkey"]) == (503, False, True)


def test_without_valkey_it_is_not_ready(without_valkey: None) -> None:
    [answer] = ask("/readyz")
    assert (answer.status_code, answer.json()["database"], answer.json()["valkey"]) == (503, True, False)


def test_a_valkey_that_takes_no_writes_is_none(valkey: redis.Redis) -> None:
    valkey.config_set("maxmemory", "1")
    valkey.config_set("maxmemory-policy", "noeviction")
    try:
        [answer] = ask("/readyz")
    finally:
        valkey.config_set("maxmemory", "0")
    assert (answer.status_code, answer.json()["valkey"]) == (503, False)


def test_with_a_full_disk_it_is_not_ready(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LEAST_FREE_BYTES", 2**70)
    [answer] = ask("/readyz")
    assert (answer.status_code, answer.json()["disk"]) == (503, False)


def test_however_many_ask_the_stores_are_asked_once(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "ANSWERED_FOR_SECONDS", PATIENCE_SECONDS)
    asked: list[health.Readiness] = []
    readiness = health.readiness

    def counted() -> health.Readiness:
        asked.append(readiness())
        return asked[-1]

    monkeypatch.setattr(health, "readiness", counted)
    assert {answer.status_code for answer in ask("/readyz", times=20)} == {200}
    assert len(asked) == 1


def test_a_site_whose_beat_is_silent_is_ready_and_says_whose_work_is_late(valkey: redis.Redis) -> None:
    valkey.set(process_key("mail"), 1, ex=7 * 24 * 3600 - 20)
    valkey.set(process_key("reports"), 1, ex=7 * 24 * 3600 - 7200)
    [answer] = ask("/readyz")
    processes = answer.json()["processes"]
    assert answer.status_code == 200
    assert set(processes) == {"web", "beat", "gpu", *django_settings.QUEUE_JOBS}
    assert processes["beat"] == {"seconds": None, "is_late": True}
    assert (processes["mail"]["is_late"], processes["reports"]["is_late"]) == (False, True)
    assert processes["reports"]["seconds"] >= 7200
