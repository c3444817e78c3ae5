"""Fans progress out to everybody who watches a clip through this process, without a thread or a connection for each.

In each event loop one task reads all watched progress streams, and another polls the database for all watched clips on
one thread and one connection. ``following`` starts both with the loop's first subscriber and stops them with its last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import redis

from generation.live import progress
from generation.live.polling import UNKNOWN, Snapshot, snapshots_of
from gpu_worker.valkey_names import progress_key
from loremotion.valkey import async_connections

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""Pause between two polls of the database."""
WAITS_PER_POLL = 500
"""Places in the queue looked up per poll, in turn, so that a poll's cost is bounded however many are watched."""
BLOCK_MILLISECONDS = 250
"""How long a new subscriber's stream may wait until it is read with the others. What it missed is replayed at once."""
READ_AT_ONCE = 200
MAX_BACKLOG = 64
"""Updates kept for a slow subscriber. One that falls further behind is caught up by a replay of the stream."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream of progress."""

    id: str
    event: str
    data: str


Update = Entry | Snapshot | None
"""None carries nothing: it wakes a subscriber that has fallen behind."""


@dataclass(eq=False, slots=True)
class Subscription:
    """One watcher's updates, in order. While ``is_behind``, some are missing and have to be replayed."""

    generation_id: UUID
    is_behind: bool = True
    _last_snapshot: Snapshot = UNKNOWN
    _updates: asyncio.Queue[Update] = field(default_factory=lambda: asyncio.Queue(MAX_BACKLOG))

    def publish(self, snapshot: Snapshot) -> None:
        """Queue ``snapshot`` unless it says nothing, or the same as the last one."""
        if snapshot not in (UNKNOWN, self._last_snapshot):
            self._last_snapshot = snapshot
            self.put(snapshot)

    def put(self, update: Update) -> None:
        try:
            self._updates.put_nowait(update)
        except asyncio.QueueFull:
            while not self._updates.empty():
                self._updates.get_nowait()
            self.is_behind, self._last_snapshot = True, UNKNOWN
            self._updates.put_nowait(None)

    async def next(self, timeout_seconds: float) -> Update:
        """Return the next update, or None when none comes in time or the subscription has fallen behind."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._updates.get()
        except TimeoutError:
            return None


class Broadcaster:
    """The subscriptions of one event loop, and the two tasks that feed them."""

    def __init__(self) -> None:
        self._subscriptions: defaultdict[UUID, set[Subscription]] = defaultdict(set)
        self._read_until: dict[bytes, str] = {}
        """Key of each stream that is read with the others → id of its last entry that was."""
        self._new_ids: set[UUID] = set()
        self._has_new_ids = asyncio.Event()
        self._in_turn: list[UUID] = []
        self._is_closed = False
        self._valkey = async_connections()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="poll")
        # In a context of their own: they outlive the request that happened to come first.
        self._tasks = [
            asyncio.create_task(work, context=Context()) for work in (self._read_streams(), self._poll_database())
        ]

    @property
    def is_closed(self) -> bool:
        """Whether no more updates will come."""
        return self._is_closed

    @property
    def is_unused(self) -> bool:
        return not self._subscriptions

    def subscribe(self, generation_id: UUID) -> Subscription:
        subscription = Subscription(generation_id)
        self._subscriptions[generation_id].add(subscription)
        self.look_at(generation_id)
        return subscription

    def look_at(self, generation_id: UUID) -> None:
        """Poll the database for this clip at once."""
        self._new_ids.add(generation_id)
        self._has_new_ids.set()

    def unsubscribe(self, subscription: Subscription) -> None:
        subscriptions = self._subscriptions[subscription.generation_id]
        subscriptions.discard(subscription)
        if not subscriptions:
            del self._subscriptions[subscription.generation_id]
            self._read_until.pop(_key(subscription.generation_id), None)

    async def close(self) -> None:
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.shutdown(wait=False)
        await self._valkey.aclose()

    async def replay(self, subscription: Subscription, after: str) -> AsyncIterator[Entry]:
        """Yield the stream's entries after ``after``. From the last of them on, the subscription receives every update.

        While Valkey is away this yields nothing and the subscription stays behind.
        """
        subscription.is_behind = False  # first: from now on every entry is replayed or queued
        key = _key(subscription.generation_id)
        try:
            # The stream's own last id, not the watcher's: the shared reader continues there for everybody.
            last: Any = await self._valkey.xrevrange(key, count=1)
            while found := _by_key(await self._valkey.xread({key: after}, count=READ_AT_ONCE)):
                for entry in _decoded(found[key]):
                    yield entry
                after = found[key][-1][0].decode()
        except redis.RedisError:
            subscription.is_behind = True
            return
        self._read_until.setdefault(key, last[0][0].decode() if last else "0-0")

    async def _read_streams(self) -> None:
        """Read all watched streams in one call after the other, until closed or cancelled."""
        while not self._is_ending():
            if not self._read_until:
                await asyncio.sleep(BLOCK_MILLISECONDS / 1000)
                continue
            try:
                read_until: Any = dict(self._read_until)
                found = _by_key(await self._valkey.xread(read_until, count=READ_AT_ONCE, block=BLOCK_MILLISECONDS))
            except redis.RedisError:  # away: the database poll goes on
                await asyncio.sleep(0 if self._is_ending() else POLL_SECONDS)
                continue
            for key, raw in found.items():
                if key in self._read_until:  # else its last subscriber has left meanwhile
                    self._read_until[key] = raw[-1][0].decode()
                    for entry in _decoded(raw):
                        for subscription in self._subscriptions.get(_generation_of(key), ()):
                            subscription.put(entry)

    async def _poll_database(self) -> None:
        """Poll for new subscriptions and said ends at once, for all every ``POLL_SECONDS``, until it is to end."""
        now = asyncio.get_running_loop().time
        all_due_at = now() + POLL_SECONDS
        while not self._is_ending():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(all_due_at):  # wait_for of Python 3.11 can swallow being cancelled
                    await self._has_new_ids.wait()
            new_ids, self._new_ids = self._new_ids & set(self._subscriptions), set()
            self._has_new_ids.clear()
            ids, in_turn = new_ids, new_ids
            if not ids or now() >= all_due_at:  # also while a GPU host says without end that a clip has ended
                ids, in_turn = set(self._subscriptions), new_ids | self._next_in_turn()
                all_due_at = now() + POLL_SECONDS
            try:
                poll = self._thread.submit(snapshots_of, ids, in_turn)
            except RuntimeError:  # the interpreter is shutting down and waits for whoever still watches
                self._release_all()
                return
            try:
                found = await asyncio.wrap_future(poll)
            except Exception:  # the database is away, say: everybody depends on this task, so it goes on
                logger.exception("The state of watched clips could not be read")
                self._new_ids |= new_ids
                await asyncio.sleep(POLL_SECONDS)
                continue
            for generation_id, snapshot in found.items():
                for subscription in self._subscriptions.get(generation_id, ()):
                    subscription.publish(snapshot)

    def _is_ending(self) -> bool:
        """Whether the present task was told to end: by ``close``, or by a loop that ends with somebody still watching.
        The client of Valkey can swallow the exception that says so, but not the request."""
        task = asyncio.current_task()
        return self._is_closed or (task is not None and task.cancelling() > 0)

    def _release_all(self) -> None:
        self._is_closed = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.put(None)

    def _next_in_turn(self) -> set[UUID]:
        """Return the clips whose place in the queue is looked up in this poll."""
        if not self._in_turn:
            self._in_turn = list(self._subscriptions)
        chosen, self._in_turn = self._in_turn[:WAITS_PER_POLL], self._in_turn[WAITS_PER_POLL:]
        return set(chosen)


def _key(generation_id: UUID) -> bytes:
    return progress_key(str(generation_id)).encode()


def _generation_of(key: bytes) -> UUID:
    return UUID(key.decode().rpartition(":")[2])


Raw = list[tuple[bytes, dict[bytes, bytes]]]


def _by_key(answer: Any) -> dict[bytes, Raw]:
    """Return XREAD's answer by key, whichever protocol version it came in, without empty streams."""
    streams = answer.items() if isinstance(answer, dict) else answer or []
    flat = {key: parts[0] if parts and isinstance(parts[0], list) else parts for key, parts in streams}
    return {key: raw for key, raw in flat.items() if raw}


def _decoded(raw: Raw) -> Iterator[Entry]:
    """Yield the entries that can be read: one odd entry must not keep the rest from anybody."""
    for entry_id, fields in raw:
        try:
            yield Entry(entry_id.decode(), *progress.decode(fields))
        except (KeyError, UnicodeDecodeError):
            logger.warning("Entry %s of a stream of progress cannot be read", entry_id)
