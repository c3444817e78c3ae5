"""A Valkey that takes connections and says nothing, as behind a line that was cut: a request waits for it once."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import redis
from django.core.cache import caches
from pytest_django import Settings

from loremotion import valkey


@pytest.fixture
def silent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": [settings.REDIS_URL]}}
        monkeypatch.setattr(valkey, "TIMEOUT_SECONDS", 0.05)
        monkeypatch.setattr(valkey, "REST_SECONDS", 3600)
        valkey.connection.cache_clear()
        yield server
    valkey.connection.cache_clear()


def connections_to(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_one_call_waits_for_it_and_those_after_it_do_not(silent: socket.socket) -> None:
    with pytest.raises(redis.TimeoutError):
        valkey.connection().ping()
    for ask in (lambda: valkey.connection().get("a"), lambda: caches["default"].get("a"), valkey.connection().ping):
        with pytest.raises(redis.ConnectionError, match="a moment ago"):
            ask()
    assert connections_to(silent) == 1


def test_it_is_asked_again_after_the_rest(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "REST_SECONDS", 0)
    for _ in range(2):
        with pytest.raises(redis.TimeoutError):
            valkey.connection().ping()
    assert connections_to(silent) == 2
