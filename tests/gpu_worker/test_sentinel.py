"""Addresses that name Sentinels, and clients that follow the primary from one server to the next."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from django.core.cache import caches
from pytest_django import Settings

from gpu_worker.sentinel import sentinels_of
from gpu_worker.valkey import checked_address, connect
from loremotion.local.ports import free_port
from loremotion.valkey import async_connections, connection
from tests.gpu_worker.valkey_users import told
from tests.hosts import valkey_servers
from tests.patience import wait_until


def test_an_address_names_sentinels_service_and_both_logins() -> None:
    read = sentinels_of(
        "rediss+sentinel://gpu:a%40b@one.example:26380,[fd00::2],three/clips/2"
        "?sentinel_username=asks&sentinel_password=c&ssl_ca_certs=/etc/ssl/ca.pem"
    )
    assert read is not None
    tls = {"ssl": True, "ssl_ca_certs": "/etc/ssl/ca.pem"}
    assert read.hosts == (("one.example", 26380), ("fd00::2", 26379), ("three", 26379))
    assert read.service == "clips"
    assert read.login == {"username": "gpu", "password": "a@b", "db": 2, **tls}
    assert read.own_login == {"username": "asks", "password": "c", **tls}


def test_its_words_show_no_password() -> None:
    assert "secret" not in repr(sentinels_of("redis+sentinel://gpu:secret@one/clips?sentinel_password=secret"))


def test_an_address_of_a_server_names_no_sentinel() -> None:
    assert sentinels_of("redis://gpu:secret@one:6379/0") is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("redis+sentinel://one:26379", "service"),
        ("redis+sentinel://one/clips/first", "database"),
        ("redis+sentinel:///clips", "host:port"),
        ("redis+sentinel://one,,two/clips", "host:port"),
        ("redis+sentinel://a:secret@one:many/clips", "host:port"),
        ("redis+sentinel://a:secret@one/clips?socket_timeout=0", "socket_timeout"),
    ],
)
def test_what_it_lacks_is_said_and_no_password_shown(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as refusal:
        checked_address(url)
    assert "secret" not in str(refusal.value)


def test_where_no_sentinel_answers_a_line_says_which_were_asked() -> None:
    first, second = sorted((free_port(), free_port()))
    with pytest.raises(redis.ConnectionError) as refusal:
        connect(f"redis+sentinel://127.0.0.1:{first},127.0.0.1:{second}/clips?sentinel_password=secret").ping()
    assert str(refusal.value) == f"No Sentinel of 127.0.0.1:{first}, 127.0.0.1:{second} names a primary of clips."


# --- a primary, its replica and a Sentinel -------------------------------------------------------------------------


@dataclass(frozen=True)
class Servers:
    """A primary, its replica and their Sentinel."""

    ports: tuple[int, int, int]
    primary: subprocess.Popen[bytes]

    def fail_over(self) -> None:
        """Kill the primary, and have the Sentinel go by it at once."""
        self.primary.kill()
        self.primary.wait()
        with redis.Redis(port=self.ports[2]) as sentinel:
            wait_until(lambda: self._begins(sentinel))
            wait_until(lambda: sentinel.sentinel_master(valkey_servers.SERVICE)["port"] == self.ports[1])

    def _begins(self, sentinel: redis.Redis) -> bool:
        try:
            return bool(told(sentinel, "SENTINEL", "FAILOVER", valkey_servers.SERVICE))
        except redis.ResponseError:  # it has not reached the replica yet
            return False


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """For all tests here, of which one alone kills the primary, and none minds which it is."""
    folder = tmp_path_factory.mktemp("sentinel")
    first, second, sentinel = ports = free_port(), free_port(), free_port()
    here: Any = {"address": "127.0.0.1"}
    commands = [
        valkey_servers.server(folder / "1", port=first, **here),
        valkey_servers.server(folder / "2", port=second, replica_of=("127.0.0.1", first), **here),
        valkey_servers.sentinel(
            folder / "3", port=sentinel, primary=("127.0.0.1", first), quorum=1, down_after_seconds=60, **here
        ),
    ]
    running = []
    try:
        for command, port in zip(commands, ports, strict=True):
            if port == sentinel:  # it asks who follows the primary as it starts, and then every ten seconds
                with redis.Redis(port=second) as replica:
                    wait_until(lambda: replica.info("replication").get("master_link_status") == "up")
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            with redis.Redis(port=port) as asked:
                wait_until(lambda: answers(asked))
        with redis.Redis(port=sentinel) as asked:
            wait_until(lambda: asked.sentinel_slaves(valkey_servers.SERVICE))
        yield Servers(ports, running[0])
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()


def answers(server: redis.Redis) -> bool:
    try:
        return bool(server.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False


@pytest.fixture
def of_the_site(servers: Servers, settings: Settings) -> Iterator[None]:
    """The site asks these Sentinels, the first of which is away."""
    nobody, sentinel = free_port(), servers.ports[2]
    settings.REDIS_URL = f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{sentinel}/{valkey_servers.SERVICE}/0"
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": [settings.REDIS_URL]}}
    connection.cache_clear()
    yield
    connection.cache_clear()


@pytest.mark.usefixtures("of_the_site")
def test_every_client_follows_the_primary_to_another_server(servers: Servers, settings: Settings) -> None:
    url = settings.REDIS_URL
    worker, cache = connect(url), caches["default"]

    async def asynchronously(name: str) -> None:
        async with async_connections() as loop_client:
            await loop_client.set(name, "1")
            assert await loop_client.get(name) == b"1"

    def through_all(name: str) -> None:
        assert worker.set(f"{name}:worker", "1")
        cache.set(f"{name}:cache", 1)
        asyncio.run(asynchronously(f"{name}:loop"))

    through_all("before")
    with redis.Redis(port=servers.ports[1]) as second:
        assert worker.wait(1, 10_000) == 1  # replication has no order with an answer
        servers.fail_over()
        wait_until(lambda: answers(worker) and answers(connection()))
        through_all("after")
        kept = {key.decode() for key in second.scan_iter()}
    assert {f"{when}:{who}" for when in ("before", "after") for who in ("worker", "loop")} <= kept
    assert sum("cache" in key for key in kept) == 2


def test_who_is_interrupted_while_waiting_leaves_no_answer_for_the_next(servers: Servers) -> None:
    url = f"redis+sentinel://127.0.0.1:{servers.ports[2]}/{valkey_servers.SERVICE}/0"
    client = connect(url)

    def interrupt(number: int, frame: object) -> None:
        with connect(url) as other:
            other.rpush("line", "a job")  # what is waited for is on its way
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            client.blmove("line", "in hand", 60)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert client.get("nothing") is None
