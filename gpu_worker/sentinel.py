"""Addresses of a Valkey or Redis whose primary Sentinel names, and clients that follow it from host to host.

``redis+sentinel://user:password@host:26379,host:26379,host:26379/service/0``: the form that redis-sentinel-url and
limits read. User and password are the server's; Sentinel's own are ``?sentinel_username=…&sentinel_password=…``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from gpu_worker.resting_pool import RestingSentinelPool

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
PORT: Final = 26379
TLS_OPTIONS: Final = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
ANSWER_SECONDS: Final = 2.0
"""A Sentinel that is silent for longer is passed over for the next one."""


class _Sentinel(redis.sentinel.Sentinel):
    def discover_master(self, service_name: str) -> Any:
        try:
            return super().discover_master(service_name)  # type: ignore[no-untyped-call]  # as redis-py leaves it
        except redis.sentinel.MasterNotFoundError as problem:
            raise _unknown(self, service_name) from problem


class _AsyncSentinel(redis.asyncio.sentinel.Sentinel):
    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except redis.asyncio.sentinel.MasterNotFoundError as problem:
            raise _unknown(self, service_name) from problem


def _unknown(asked: Any, service: str) -> redis.ConnectionError:
    """In place of redis-py's words, which write out every setting of every Sentinel: a log has a line for each try."""
    said = (each.connection_pool.connection_kwargs for each in asked.sentinels)
    hosts = ", ".join(sorted(f"{each['host']}:{each['port']}" for each in said))
    return redis.sentinel.MasterNotFoundError(f"No Sentinel of {hosts} names a primary of {service}.")


class PrimaryConnection(redis.sentinel.SentinelManagedConnection):
    """One that is hung up when whoever reads from it is interrupted, as all others of redis-py are.

    Else it went back into the pool with an answer on its way, which the next caller would take for theirs: a job that
    was moved, say.
    """

    def read_response(self, disable_decoding: bool = False, **options: Any) -> Any:
        options.setdefault("disconnect_on_error", True)
        return super().read_response(disable_decoding, **options)


class PrimaryTlsConnection(PrimaryConnection, redis.sentinel.SentinelManagedSSLConnection):
    """The same over TLS."""


class BlockingSentinelPool(redis.asyncio.sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """Connections to the primary, at most so many, for which coroutines wait in turn."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """Whom to ask for the primary of ``service``, and how to log in to either."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    login: dict[str, Any] = field(repr=False)
    """Options of a connection to the server."""
    own_login: dict[str, Any] = field(repr=False)
    """Options of a connection to a Sentinel."""

    def pool(self, **options: Any) -> redis.ConnectionPool:
        """Connections of threads; ``options`` as ``RestingPool`` takes them."""
        login = dict(self.login)
        kind = PrimaryTlsConnection if login.pop("ssl", False) else PrimaryConnection
        asked = self._manager(_Sentinel, Retry)
        return RestingSentinelPool(self.service, asked, connection_class=kind, **(login | options))

    def async_pool(self, **options: Any) -> redis.asyncio.ConnectionPool:
        """Connections of one loop's coroutines; ``options`` as ``redis.asyncio.BlockingConnectionPool`` takes them."""
        manager = self._manager(_AsyncSentinel, redis.asyncio.retry.Retry)
        options = self.login | options | {"sentinel_manager": manager}
        return BlockingSentinelPool(self.service, **options)  # type: ignore[no-untyped-call]  # as redis-py leaves it

    def _manager(self, kind: Any, retry: Any) -> Any:
        """Who asks the Sentinels in turn, each of them once: redis-py's class for threads or for coroutines."""
        waits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
        return kind(self.hosts, sentinel_kwargs=self.own_login | waits | {"retry": retry(NoBackoff(), 0)})


def sentinels_of(url: str) -> Sentinels | None:
    """What an address says of Sentinels; None where it names a server itself.

    Raises:
        ValueError: it cannot be one; says why in words that show no password.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        return None
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls = {name: asked.pop(name) for name in TLS_OPTIONS & asked.keys()} | (
        {"ssl": True} if scheme == "rediss+sentinel" else {}
    )
    own = {name: asked.pop(f"sentinel_{name}", None) or None for name in ("username", "password")}
    if asked:
        raise ValueError(f"it knows no {', '.join(sorted(asked))}")
    if not service or not (database or "0").isdecimal():
        raise ValueError("after the hosts comes /service, as Sentinel calls it, then /database")
    return Sentinels(
        hosts=tuple(_host(each) for each in hosts.split(",")),
        service=unquote(service),
        login=tls
        | {"username": unquote(username) or None, "password": unquote(password) or None, "db": int(database or 0)},
        own_login=tls | own,
    )


def _host(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError("hosts of Sentinels are host:port,host:port")
    return host, port or PORT
