"""Commands to one GPU worker: drain, resume, preload, evict, stop, cancel what it renders, and test a provider's key.

They travel on RQ's own channel of a worker. Draining is also a key, so that it outlives the worker's restarts.
"""

from __future__ import annotations

from typing import Any

import redis
from rq.command import send_command as send_rq_command

from gpu_worker.contract import ModelSpec, OwnKey
from gpu_worker.liveness import live_workers
from gpu_worker.valkey_names import CANCEL_TTL_SECONDS, cancel_key, drain_key, job_id, rq_worker

DRAIN, RESUME, PRELOAD, EVICT = "drain", "resume", "preload", "evict"
TEST_KEY = "test-key"
"""To a remote worker, which answers by a report, also in the middle of a clip."""
COMMANDS = frozenset({DRAIN, RESUME, PRELOAD, EVICT})
"""Ours, beside RQ's ``stop-job`` and ``shutdown``."""


class NoSuchWorker(LookupError):
    """No live worker has this name. The message lists those that live."""


def drain(connection: redis.Redis, name: str, within_seconds: float | None = None) -> None:
    """Let the worker finish its job and take no other, until ``resume``.

    Args:
        within_seconds: what takes longer is handed back, and gone on with by the next attempt; None: it may take its
            time.
    """
    connection.set(drain_key(name), 1)
    send_command(connection, name, DRAIN, **({} if within_seconds is None else {"within_seconds": within_seconds}))


def resume(connection: redis.Redis, name: str) -> None:
    """Let a drained worker take jobs again."""
    connection.delete(drain_key(name))
    send_command(connection, name, RESUME)


def preload(connection: redis.Redis, name: str, model: ModelSpec) -> None:
    """Load ``model`` between two jobs.

    Raises:
        NoSuchWorker: nobody would hear it.
    """
    _require(connection, name)
    send_command(connection, name, PRELOAD, model=model.to_wire())


def evict(connection: redis.Redis, name: str, key: str) -> None:
    """Free the memory of one resident component between two jobs.

    Raises:
        NoSuchWorker: nobody would hear it.
    """
    _require(connection, name)
    send_command(connection, name, EVICT, key=key)


def stop(connection: redis.Redis, name: str) -> None:
    """End the worker and its supervisor after the job in hand.

    Raises:
        NoSuchWorker: nobody would hear it.
    """
    _require(connection, name)
    send_command(connection, name, "shutdown")


def cancel(connection: redis.Redis, generation_id: str) -> bool:
    """Stop a render at its next step. False when no worker is at it: then it ends when one begins it."""
    connection.set(cancel_key(generation_id), 1, ex=CANCEL_TTL_SECONDS)
    is_in_hand = False
    for status in live_workers(connection):
        for held_id, attempt in status.in_hand:
            if held_id == generation_id:
                send_command(connection, status.name, "stop-job", job_id=job_id(generation_id, attempt))
                is_in_hand = True
    return is_in_hand


def test_key(connection: redis.Redis, name: str, own_key: OwnKey, *, account: str, number: int, secret: str) -> None:
    """Have a remote worker ask the provider whether it takes a key.

    Args:
        number: of the test of this key; comes back in the report, and so does ``secret``.
    """
    said = {"key": own_key.to_wire(), "account": account, "number": number, "secret": secret}
    send_command(connection, name, TEST_KEY, **said)


def send_command(connection: redis.Redis, name: str, command: str, **arguments: Any) -> None:
    """Send a command, ours or RQ's, to the worker of this name. It may be gone before it hears it."""
    send_rq_command(connection, rq_worker(name), command, **arguments)


def _require(connection: redis.Redis, name: str) -> None:
    alive = [status.name for status in live_workers(connection)]
    if name not in alive:
        raise NoSuchWorker(f"No live worker is called {name!r}; there are: {', '.join(alive) or 'none'}.")
