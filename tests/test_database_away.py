"""While PostgreSQL is away nobody is told that the site is broken: it is away for a moment, and what to do is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import Client

from generation.settlement import housekeeping

pytestmark = pytest.mark.django_db


@contextmanager
def failing(cause: BaseException) -> Iterator[None]:
    """Every statement fails."""

    def fail(execute: Callable[..., Any], *arguments: Any) -> Any:
        raise OperationalError("it cannot be asked") from cause

    with connection.execute_wrapper(fail):
        yield


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("path", ["/", "/models/", "/v1/models", "/pricing/"])
def test_whoever_asks_is_told_when_to_ask_again(client: Client, path: str) -> None:
    with failing(psycopg.OperationalError("connection refused")):
        answer = client.get(path)
    assert answer.status_code == 503
    assert "Part of this site is restarting." in answer.content.decode()
    assert "Try again in a minute" in answer.content.decode()


def test_a_program_is_told_that_it_may_have_gone_through(client: Client) -> None:
    with failing(psycopg.OperationalError("connection refused")):
        key = {"Authorization": f"Bearer lm_live_{'a' * 12}_{'b' * 43}"}
        answer = client.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json", headers=key)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert "same Idempotency-Key" in answer.json()["detail"]
    assert "x-should-retry" not in answer


def test_a_statement_that_takes_too_long_is_a_fault_of_ours(client: Client) -> None:
    with failing(psycopg.errors.QueryCanceled("statement timeout")):
        assert client.get("/models/").status_code == 500


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_within_a_transaction_of_a_sweep_costs_the_beat_a_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Django lets the connection go and gets no other, while the beat's own cursor is still of the first."""

    def refuse(params: Any) -> NoReturn:
        raise OperationalError("connection refused")

    def sweep() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            monkeypatch.setattr(connection, "get_new_connection", refuse)
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(housekeeping, "SWEEPS", (sweep,))
    with pytest.raises((OperationalError, InterfaceError)):
        housekeeping.beat()
    monkeypatch.undo()
    monkeypatch.setattr(housekeeping, "SWEEPS", ())
    assert housekeeping.beat(), "the lock went with the connection"
