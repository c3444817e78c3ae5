"""What a worker of the site does when a store fails it: put the job back, wait, begin anew where waiting is no use."""

from __future__ import annotations

from types import SimpleNamespace

import psycopg
import pytest
import redis
from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError
from pytest_django import Settings

from loremotion import database, queue_worker, queues
from tests.queues.records import call, write


def caused_by(error: Exception, cause: Exception | None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (caused_by(OperationalError("connection refused"), psycopg.OperationalError()), True),
        (caused_by(OperationalError("restarting"), psycopg.errors.AdminShutdown()), True),
        (caused_by(OperationalError("starting"), psycopg.errors.CannotConnectNow()), True),
        (caused_by(OperationalError("cut"), psycopg.errors.ConnectionFailure()), True),
        (caused_by(InterfaceError("the connection is closed"), psycopg.InterfaceError()), True),
        (caused_by(OperationalError("another has the row"), psycopg.errors.LockNotAvailable()), True),
        (caused_by(InternalError("paused"), psycopg.errors.IdleInTransactionSessionTimeout()), True),
        (caused_by(OperationalError("deadlock"), psycopg.errors.DeadlockDetected()), True),
        (caused_by(OperationalError("too long"), psycopg.errors.QueryCanceled()), False),
        (caused_by(OperationalError("disk"), psycopg.errors.DiskFull()), False),
        (ProgrammingError("no such table"), False),
        (ValueError("a bug"), False),
        (None, False),
    ],
    ids=repr,
)
def test_only_a_lost_connection_is_worth_a_wait(error: Exception | None, is_lost: bool) -> None:
    assert database.is_connection_lost(error) is is_lost


@pytest.fixture
def begun_anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    times: list[str] = []
    monkeypatch.setattr(queue_worker, "replace_process", lambda: times.append("anew"))
    return times


def lose_connection() -> None:
    raise OperationalError("the connection is lost")


@pytest.mark.django_db(transaction=True)  # a worker closes its connections around each job
def test_a_process_that_loses_one_connection_after_the_other_begins_anew_and_loses_no_job(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, begun_anew: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queues, "table", lambda _: {"cut": lose_connection})
    write(valkey, "mail", "kept", call("cut"))

    queue_worker.work("mail")

    assert begun_anew == ["anew"]
    assert f"{queue_worker.LOSSES_IN_A_ROW} jobs lost their connection" in caplog.text
    assert (queues.queue("mail").get_job_ids(), queues.job("kept").get_status()) == (["kept"], "queued")
    assert valkey.zcard("rq:wip:mail") == 0


@pytest.mark.django_db
def test_a_database_that_stays_away_costs_the_process_and_no_job(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, begun_anew: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue_worker, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(queue_worker, "database", SimpleNamespace(ensure_connection=lose_connection))
    monkeypatch.setattr(queues, "table", lambda _: {"cut": lose_connection})
    write(valkey, "mail", "kept", call("cut"))

    queue_worker.work("mail")

    assert begun_anew == ["anew"]
    assert "the database stays away" in caplog.text
    assert queues.queue("mail").get_job_ids() == ["kept"]


@pytest.mark.django_db
def test_a_job_with_an_error_of_its_own_fails_and_is_not_repeated(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, begun_anew: list[str]
) -> None:
    def broken() -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(queues, "table", lambda _: {"broken": broken})
    write(valkey, "mail", "bad", call("broken"))

    queue_worker.work("mail", burst=True)

    assert queues.job("bad").get_status() == "failed"
    assert begun_anew == []


def test_a_worker_without_valkey_begins_anew(settings: Settings, begun_anew: list[str]) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    queue_worker.work("mail")
    assert begun_anew == ["anew"]
