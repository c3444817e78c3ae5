"""Everybody who watches a clip through this process, together: a watcher costs no thread and no connection of its own.

One task reads every watched stream of progress at once, another asks the database how all of them stand, in one thread
and over one connection. Both begin with the first watcher of an event loop and end with the last.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import redis

from generation.live import progress
from generation.live.polling import UNKNOWN, Standing, look_at
from gpu_worker.contract import progress_key
from loremotion.valkey import async_connections

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Pause between two looks into the database."""
WAITS_PER_LOOK = 100
"""Of so many who wait the place is found out anew at each look, in turn: a look never costs more, whoever watches."""
BLOCK_MILLISECONDS = 250
"""So long a new watcher's stream may wait until it is read with the others; what was missed is read at once."""
CATCH_UP_SECONDS = 2.0
"""Valkey was away: so long until it is asked again."""
READ_AT_ONCE = 200
MOST_BEHIND = 64
"""Who is too slow to take so many pieces of news is caught up from the stream instead."""
DONE = "done"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream of progress."""

    id: str
    event: str
    data: str


News = Entry | Standing | None
"""None only wakes: the watcher has fallen behind."""


def order_of(stream_id: str) -> tuple[int, int]:
    milliseconds, _, number = stream_id.partition("-")
    return int(milliseconds), int(number)


@dataclass(eq=False, slots=True)
class Watch:
    """One watcher's news, in order. ``is_behind`` says that something is missing, which is to be replayed."""

    generation_id: UUID
    is_behind: bool = True
    _stands: Standing = UNKNOWN
    _news: asyncio.Queue[News] = field(default_factory=lambda: asyncio.Queue(MOST_BEHIND))

    def stand(self, standing: Standing) -> None:
        """Offer it if it says something, and something else than the last one did."""
        if standing not in (UNKNOWN, self._stands):
            self._stands = standing
            self.offer(standing)

    def offer(self, news: News) -> None:
        try:
            self._news.put_nowait(news)
        except asyncio.QueueFull:
            while not self._news.empty():
                self._news.get_nowait()
            self.is_behind, self._stands = True, UNKNOWN
            self._news.put_nowait(None)

    async def next(self, timeout_seconds: float) -> News:
        """The next piece of news; None if there is none in time, or the watch has fallen behind."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._news.get()
        except TimeoutError:
            return None


class Switchboard:
    """All watches of one event loop."""

    def __init__(self) -> None:
        self._watches: defaultdict[UUID, set[Watch]] = defaultdict(set)
        self._read_until: dict[bytes, str] = {}
        """Key of each stream that is read with the others → id of its last entry that was."""
        self._newcomers: set[UUID] = set()
        self._has_newcomers = asyncio.Event()
        self._in_turn: list[UUID] = []
        self._is_closed = False
        self._valkey = async_connections()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="looks")
        # In a context of their own: they outlive the request that happened to come first.
        self._tasks = [asyncio.create_task(work, context=Context()) for work in (self._read(), self._look())]

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is told here."""
        return self._is_closed

    @property
    def is_unused(self) -> bool:
        return not self._watches

    def join(self, generation_id: UUID) -> Watch:
        watch = Watch(generation_id)
        self._watches[generation_id].add(watch)
        self._newcomers.add(generation_id)
        self._has_newcomers.set()
        return watch

    def leave(self, watch: Watch) -> None:
        watches = self._watches[watch.generation_id]
        watches.discard(watch)
        if not watches:
            del self._watches[watch.generation_id]
            self._read_until.pop(_key(watch.generation_id), None)

    async def close(self) -> None:
        self._is_closed = True  # being cancelled alone is not enough: the client of Valkey can swallow it
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.shutdown(wait=False)
        await self._valkey.aclose()

    async def replay(self, watch: Watch, after: str) -> AsyncIterator[Entry]:
        """What the stream holds after ``after``; from there on the watch hears of all that comes.

        With Valkey away there is nothing, and the watch stays behind.
        """
        watch.is_behind = False  # first: what comes from now on is either replayed or news
        key = _key(watch.generation_id)
        try:
            # Not from what the watcher says it has heard: the others' news begins there too.
            last: Any = await self._valkey.xrevrange(key, count=1)
            while found := _by_key(await self._valkey.xread({key: after}, count=READ_AT_ONCE)):
                for entry in _decoded(found[key]):
                    yield entry
                after = found[key][-1][0].decode()
        except redis.RedisError:
            watch.is_behind = True
            return
        self._read_until.setdefault(key, last[0][0].decode() if last else "0-0")

    async def _read(self) -> None:
        """Every stream that is watched, at once."""
        while not self._is_closed:
            if not self._read_until:
                await asyncio.sleep(BLOCK_MILLISECONDS / 1000)
                continue
            try:
                read_until: Any = dict(self._read_until)
                found = _by_key(await self._valkey.xread(read_until, count=READ_AT_ONCE, block=BLOCK_MILLISECONDS))
            except redis.RedisError:  # away: the database goes on saying how things stand
                await asyncio.sleep(0 if self._is_closed else LOOK_SECONDS)
                continue
            for key, raw in found.items():
                if key in self._read_until:  # else the last who watched it has left meanwhile
                    self._read_until[key] = raw[-1][0].decode()
                    for entry in _decoded(raw):
                        for watch in self._watches.get(_generation_of(key), ()):
                            watch.offer(entry)

    async def _look(self) -> None:
        """Into the database: at newcomers at once, at all of them every ``LOOK_SECONDS``."""
        while not self._is_closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):  # wait_for of Python 3.11 can swallow being cancelled
                    await self._has_newcomers.wait()
            newcomers, self._newcomers = self._newcomers & set(self._watches), set()
            self._has_newcomers.clear()
            ids = newcomers or set(self._watches)
            try:
                look = self._thread.submit(look_at, ids, newcomers or self._next_in_turn())
            except RuntimeError:  # no thread works any more: the process ends, and waits for whoever still watches
                self._let_everybody_go()
                return
            try:
                found = await asyncio.wrap_future(look)
            except Exception:  # the database is away, say: this task is everybody's, and goes on
                logger.exception("How clips stand could not be found out")
                self._newcomers |= newcomers
                await asyncio.sleep(LOOK_SECONDS)
                continue
            for generation_id, standing in found.items():
                for watch in self._watches.get(generation_id, ()):
                    watch.stand(standing)

    def _let_everybody_go(self) -> None:
        self._is_closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.offer(None)

    def _next_in_turn(self) -> set[UUID]:
        """Those of whom the place is found out at this look."""
        if not self._in_turn:
            self._in_turn = list(self._watches)
        chosen, self._in_turn = self._in_turn[:WAITS_PER_LOOK], self._in_turn[WAITS_PER_LOOK:]
        return set(chosen)


_switchboards: WeakKeyDictionary[asyncio.AbstractEventLoop, Switchboard] = WeakKeyDictionary()


async def follow(generation_id: UUID, after: str, *, silence_seconds: float) -> AsyncGenerator[News, None]:
    """Every entry after ``after``, once and in order, and what the database says in between; None after a silence.

    Ends with the entry ``done``, or with a ``Standing`` that says the same where the stream does not; with neither when
    the process ends.
    """
    async with (
        _watching(generation_id) as (board, watch),
        aclosing(_merged(board, watch, after, silence_seconds)) as merged,
    ):
        async for news in merged:
            yield news
            if _is_the_end(news):
                return


def _is_the_end(news: News) -> bool:
    return news.event == DONE if isinstance(news, Entry) else news is not None and news.is_over


async def _merged(board: Switchboard, watch: Watch, after: str, silence_seconds: float) -> AsyncGenerator[News, None]:
    """What is replayed and what is new, without what would come twice."""
    is_over = False
    while True:
        if watch.is_behind or is_over:
            async for entry in board.replay(watch, after):
                after = entry.id
                yield entry
        if is_over:
            yield Standing("", is_over=True)
        news = await watch.next(CATCH_UP_SECONDS if watch.is_behind else silence_seconds)
        if board.is_closed and news is None:
            return
        if isinstance(news, Entry):
            if order_of(news.id) > order_of(after):
                after = news.id
                yield news
        elif news is not None and news.is_over:
            is_over = True
        else:
            yield news


@asynccontextmanager
async def _watching(generation_id: UUID) -> AsyncIterator[tuple[Switchboard, Watch]]:
    """A watch for as long as the block lasts, on the switchboard of the running loop."""
    loop = asyncio.get_running_loop()
    board = _switchboards.get(loop)
    if board is None:
        board = _switchboards[loop] = Switchboard()
    watch = board.join(generation_id)
    try:
        yield board, watch
    finally:
        board.leave(watch)
        if board.is_unused:
            _switchboards.pop(loop, None)
            await board.close()


def _key(generation_id: UUID) -> bytes:
    return progress_key(str(generation_id)).encode()


def _generation_of(key: bytes) -> UUID:
    return UUID(key.decode().rpartition(":")[2])


Raw = list[tuple[bytes, dict[bytes, bytes]]]


def _by_key(answer: Any) -> dict[bytes, Raw]:
    """What XREAD answers, in either version of the protocol, by key; without streams in which there is nothing."""
    streams = answer.items() if isinstance(answer, dict) else answer or []
    flat = {key: parts[0] if parts and isinstance(parts[0], list) else parts for key, parts in streams}
    return {key: raw for key, raw in flat.items() if raw}


def _decoded(raw: Raw) -> Iterator[Entry]:
    """Without what nobody can read: one odd entry must not keep the rest from anybody."""
    for entry_id, fields in raw:
        try:
            yield Entry(entry_id.decode(), *progress.decode(fields))
        except (KeyError, UnicodeDecodeError):
            logger.warning("Entry %s of a stream of progress cannot be read", entry_id)
