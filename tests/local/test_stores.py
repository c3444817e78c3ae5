"""PostgreSQL and Valkey: from their wheels, or one's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from loremotion.local import postgres
from loremotion.local.failure import CannotStart
from loremotion.local.scratch import run_with_stores
from loremotion.local.stores import Stores


def test_stores_of_ones_own_are_left_alone(tmp_path: Path) -> None:
    stores = Stores(tmp_path, database_url="postgres://db.example/clips", redis_url="redis://queue.example/0")
    stores.start()
    assert (stores.database_url, stores.redis_url) == ("postgres://db.example/clips", "redis://queue.example/0")
    stores.stop()
    assert list(tmp_path.iterdir()) == []


def test_they_keep_what_they_hold_over_a_restart(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    for _ in range(2):
        try:
            stores.start()
            with psycopg.connect(stores.database_url) as database, redis.Redis.from_url(stores.redis_url) as valkey:
                database.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT now())")
                database.execute("INSERT INTO kept DEFAULT VALUES")
                rows = database.execute("SELECT count(*) FROM kept").fetchone()
                count = valkey.incr("kept")
        finally:
            stores.stop()
    assert (rows, count) == ((2,), 2)


@pytest.fixture
def no_namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This is root, on a machine that refuses user namespaces."""
    postgres.as_ordinary_user.cache_clear()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "NAMESPACE", ("/bin/sh", "-c", "echo Operation not permitted >&2; exit 1"))
    yield
    postgres.as_ordinary_user.cache_clear()


@pytest.mark.usefixtures("no_namespace")
def test_a_refused_user_namespace_is_said_with_what_to_do(tmp_path: Path) -> None:
    stores = Stores(tmp_path, redis_url="redis://queue.example/0")
    with pytest.raises(CannotStart, match=r"Operation not permitted.*ordinary user, or set DATABASE_URL") as problem:
        stores.start()
    assert "\n" not in str(problem.value)


def test_a_command_against_empty_stores_finds_a_machine_that_django_calls_sound(
    capfd: pytest.CaptureFixture[str],
) -> None:
    status = run_with_stores([sys.executable, "manage.py", "check", "--database", "default"])
    assert (status, "no issues" in capfd.readouterr().out) == (0, True)
