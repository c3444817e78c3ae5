"""What PostgreSQL ends by itself: statements, waits for locks and idle transactions of processes that serve."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import Any

import psycopg
import pytest
import redis
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from loremotion import database

pytestmark = pytest.mark.django_db(transaction=True)


SHOW = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
SHOW += ", current_setting('idle_in_transaction_session_timeout')"


def limits() -> Any:
    """Return what PostgreSQL ends by itself on a connection that is made now."""
    with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": None}) as own:
        return own.execute(SHOW).fetchone()


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that this test may change, without limits whatever ran in this process before."""
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "options"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)


def test_a_process_that_serves_is_bounded_and_a_command_is_not(unbounded: None) -> None:
    assert limits() == ("0", "0", "0")
    database.bound_process()
    assert limits() == ("30s", "10s", "1min")


def test_what_the_address_of_the_database_says_of_limits_wins(unbounded: None) -> None:
    connection.settings_dict["OPTIONS"]["options"] = "-c lock_timeout=250"
    database.bound_process()
    assert limits() == ("30s", "250ms", "1min")


@pytest.mark.parametrize("command", [("rqworker", "mail", "--burst"), ("housekeeping", "--once")])
def test_workers_and_beat_are_bounded(unbounded: None, valkey: redis.Redis, command: tuple[str, ...]) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        call_command(*command)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert limits() == ("30s", "10s", "1min")


def test_too_few_connections_for_the_pool_are_said_at_the_start(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    database.warn_of_few_connections()
    assert not caplog.records
    settings.DATABASE_POOL_SIZE = 10_000
    database.warn_of_few_connections()
    assert "lower DATABASE_POOL_SIZE" in caplog.text


def test_a_lock_that_outlasts_every_statement_refuses_to_start() -> None:
    environment = {**os.environ, "DATABASE_STATEMENT_SECONDS": "10", "DATABASE_LOCK_SECONDS": "10"}
    start = [sys.executable, "-c", "import loremotion.settings"]
    started = subprocess.run(start, env=environment, capture_output=True, text=True, check=False)
    assert started.returncode == 1
    assert "DATABASE_LOCK_SECONDS must be shorter" in started.stderr


def test_the_site_is_bounded() -> None:
    code = "from loremotion import asgi; from django.db import connection as c; print(c.settings_dict['OPTIONS'])"
    bounds = {"DJANGO_SETTINGS_MODULE": "loremotion.settings", "ROW_LEVEL_SECURITY": "False"}
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **bounds}, capture_output=True, text=True, check=True
    )
    assert "statement_timeout=30000" in said.stdout


def test_a_server_that_went_dark_is_given_up_long_before_tcp_would() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        line = socket.socket(fileno=os.dup(connection.connection.pgconn.socket))
    with line:
        unheard_seconds = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000
        idle_seconds = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    assert (unheard_seconds, idle_seconds) == (15, 10)
