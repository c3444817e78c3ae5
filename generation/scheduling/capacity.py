"""How many GPU workers take jobs, and how large they are, from their statuses."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.client import Pipeline

from gpu_worker.contract import REMOTE_BYTES
from gpu_worker.job_choice import LOOKS, Bounds
from gpu_worker.liveness import MOST_WORKERS, live_workers, statuses_of, takes_jobs
from gpu_worker.valkey_names import WORKERS_KEY, worker_key
from gpu_worker.worker_status import WorkerStatus, read_status
from loremotion.valkey import connection

JOBS_PER_WORKER = 12
"""What a worker can choose among: with two, models change almost as often as jobs (benchmarks/RESULTS.md). Whoever
comes next waits behind them all, so more is not better."""
JOBS_PER_WORKER_OF_MANY = 2
"""Many workers choose among the same first jobs: beyond those, one next for each and one in reserve is enough."""
MOST_FOR_SOME = (LOOKS - 1) * Bounds().window
"""How many jobs that only larger cards can hold may wait in RQ: the others still see some of their own behind them."""
MOST_FREE_FOR_SOME = MOST_FOR_SOME // 2
"""How many of those may be free. What is left to paid ones is more than a card chooses among, so none waits for it."""
MOST_RESERVED_FOR_SOME = Bounds().window - 1
"""While so many of those are free, none is let in beside the others for the sake of its turn. With them, one of the
jobs in sight is still left."""
LEAST_WINDOW = 2
CARDS = 64
MOST_CARDS = 64
"""Of one worker, that are believed."""
ANYBODYS_BYTES = 2 * 2**30
"""A worker with less is not worth starting. Larger requests wait until one is up that says how large it is."""


def places_for(able: int, workers: int, *, jobs_per_worker: int = JOBS_PER_WORKER) -> int:
    """Return how many jobs may wait in RQ that ``able`` of all ``workers`` can hold.

    Where that is not all of them, no more than lets the others still see some of their own behind these.
    """
    most = min(jobs_per_worker * able, Bounds().window + JOBS_PER_WORKER_OF_MANY * able)
    return max(LEAST_WINDOW, most if able == workers else min(most, MOST_FOR_SOME))


Beside = Callable[[Pipeline], object]
"""Asks more of Valkey, in the journey that asks which workers there are."""


@dataclass(slots=True)
class _Asked:
    send: Beside
    found: tuple[list[int], list[Any]] | None = None


_asked: ContextVar[_Asked | None] = ContextVar("asked", default=None)


@contextmanager
def asked_once(beside: Beside) -> Iterator[None]:
    """Within the block whoever asks for budgets again gets the first answer: a request that dispatches and then says
    how it stands needs no second one. What it needs for that is asked ``beside``, and is then ``read_already``."""
    token = _asked.set(_Asked(beside))
    try:
        yield
    finally:
        _asked.reset(token)


def read_already() -> tuple[list[int], list[Any]] | None:
    """Return what ``read_with`` would, where somebody in ``asked_once`` asked for budgets before."""
    asked = _asked.get()
    return None if asked is None else asked.found


def read_with(beside: Beside) -> tuple[list[int], list[Any]]:
    """Return the bytes that each worker which takes jobs may use, ascending, remote ones with ``REMOTE_BYTES`` first;
    and what ``beside`` asked: an answer or an error for each."""
    with connection().pipeline(transaction=False) as pipeline:
        pipeline.zrange(WORKERS_KEY, 0, MOST_WORKERS - 1)
        beside(pipeline)
        names, *others = pipeline.execute(raise_on_error=False)
    if isinstance(names, Exception):
        raise names
    return budgets_of(statuses_of(connection(), names)), others


def statuses() -> list[WorkerStatus]:
    """Return the status of every live worker, by name."""
    return live_workers(connection())


def budget_of(status: WorkerStatus) -> int:
    """Bytes that a worker may use: ``REMOTE_BYTES`` of one without a card; of one that does not say, what anybody will
    have."""
    if status.is_remote:
        return REMOTE_BYTES
    return status.budget_bytes if status.budget_bytes > 0 else ANYBODYS_BYTES


def largest_bytes(statuses: Iterable[WorkerStatus]) -> int:
    """Return the bytes that the largest of these which takes jobs may use; 0 where none does."""
    return max((budget_of(status) for status in statuses if takes_jobs(status) and not status.is_remote), default=0)


def budgets() -> list[int]:
    """Return the bytes that each GPU worker which takes jobs may use, ascending; while there is none, what anybody
    has."""
    return taking_budgets() or [ANYBODYS_BYTES]


def taking_budgets() -> list[int]:
    """Return the bytes that each GPU worker which takes jobs may use, ascending."""
    return able(_taking(), needs_bytes=None)


def remote_workers() -> int:
    """Return how many remote workers take jobs."""
    return len(able(_taking(), needs_bytes=REMOTE_BYTES))


def is_remote(needs_bytes: int | None) -> bool:
    """Whether a clip is made by a remote worker, by what it needs."""
    return needs_bytes is not None and needs_bytes < 0


def able(budgets: Iterable[int], *, needs_bytes: int | None) -> list[int]:
    """Return those of the budgets that are of the kind of worker which makes such a clip: cards, or remote ones."""
    return [budget for budget in budgets if is_remote(budget) == is_remote(needs_bytes)]


def line_of(budgets: Iterable[int], needs_bytes: int | None) -> int:
    """Return what tells ``places`` which line such a clip waits in: the bytes of the largest card that is on, or
    ``REMOTE_BYTES``."""
    if is_remote(needs_bytes):
        return REMOTE_BYTES
    return max(able(budgets, needs_bytes=needs_bytes), default=ANYBODYS_BYTES)


def _taking() -> list[int]:
    asked = _asked.get()
    if asked is None:
        return budgets_of(statuses())
    if asked.found is None:
        asked.found = read_with(asked.send)
    return asked.found[0]


def budgets_of(statuses: Iterable[WorkerStatus]) -> list[int]:
    """Return the bytes that each of these which takes jobs may use, ascending; of remote ones ``REMOTE_BYTES``."""
    return sorted(budget_of(status) for status in statuses if takes_jobs(status))


def card_of(status: WorkerStatus | None) -> str:
    """Return what stands for the make of a worker's card; empty where it does not say.

    One of a fixed number: whoever runs a GPU host can call cards and workers anything, and by each name something is
    kept. Two makes may share one, and are then taken for alike.
    """
    if status is None or not status.device:
        return ""
    return f"card-{zlib.crc32(status.device.encode(errors='replace')) % CARDS}"


def cards_of(status: WorkerStatus | None) -> int:
    """Return how many cards a worker says it has; 1 where it says nothing of them."""
    return min(len(status.cards), MOST_CARDS) or 1 if status is not None else 1


def status_of(name: str) -> WorkerStatus | None:
    """Return what the worker of this name says of itself; None where it is gone, or Valkey is away."""
    try:
        return read_status(name, cast(bytes | None, connection().get(worker_key(name)))) if name else None
    except redis.RedisError:
        return None
