"""Follows one clip: what its stream of progress says, each entry once and in order, and how the database finds it.

Everybody who does so in one event loop shares that loop's ``Broadcaster``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from uuid import UUID
from weakref import WeakKeyDictionary

from generation.live.broadcast import Broadcaster, Entry, Subscription, Update
from generation.live.polling import Snapshot

RETRY_SECONDS = 2.0
"""Pause before Valkey is asked again after it could not be reached."""
DONE = "done"


_broadcasters: WeakKeyDictionary[asyncio.AbstractEventLoop, Broadcaster] = WeakKeyDictionary()


async def follow(generation_id: UUID, after: str, *, silence_seconds: float) -> AsyncGenerator[Update, None]:
    """Yield every entry after ``after`` once and in order, database snapshots in between, and None after a silence, or
    for an entry that is not after ``after``.

    Ends after a ``Snapshot`` that is over, or without when the process shuts down. The entry ``done`` makes for one at
    once and is never yielded: any GPU host can write it, and the database alone knows whether it is so.
    """
    async with (
        _subscribed(generation_id) as (broadcaster, subscription),
        aclosing(_merged(broadcaster, subscription, after, silence_seconds)) as merged,
    ):
        async for update in merged:
            if isinstance(update, Entry) and update.event == DONE:
                broadcaster.look_at(generation_id)
                continue
            yield update
            if _is_the_end(update):
                return


def _is_the_end(update: Update) -> bool:
    return isinstance(update, Snapshot) and update.is_over


async def _merged(
    broadcaster: Broadcaster, subscription: Subscription, after: str, silence_seconds: float
) -> AsyncGenerator[Update, None]:
    """Yield replayed and new updates without duplicates."""
    is_over = False
    while True:
        if subscription.is_behind or is_over:
            async for entry in broadcaster.replay(subscription, after):
                after = entry.id
                yield entry
        if is_over:
            yield Snapshot("", is_over=True)
        update = await subscription.next(RETRY_SECONDS if subscription.is_behind else silence_seconds)
        if broadcaster.is_closed and update is None:
            return
        if isinstance(update, Entry):
            is_new = order_of(update.id) > order_of(after)
            after = update.id if is_new else after
            yield update if is_new else None  # who listens may have something to do at its own time
        elif update is not None and update.is_over:
            is_over = True
        else:
            yield update


@asynccontextmanager
async def _subscribed(generation_id: UUID) -> AsyncIterator[tuple[Broadcaster, Subscription]]:
    """Subscribe to a clip for as long as the block lasts, with the running loop's broadcaster."""
    loop = asyncio.get_running_loop()
    broadcaster = _broadcasters.get(loop)
    if broadcaster is None:
        broadcaster = _broadcasters[loop] = Broadcaster()
    subscription = broadcaster.subscribe(generation_id)
    try:
        yield broadcaster, subscription
    finally:
        broadcaster.unsubscribe(subscription)
        if broadcaster.is_unused:
            _broadcasters.pop(loop, None)
            await broadcaster.close()


def order_of(stream_id: str) -> tuple[int, int]:
    milliseconds, _, number = stream_id.partition("-")
    return int(milliseconds), int(number)
