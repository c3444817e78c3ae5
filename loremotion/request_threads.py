"""Whose thread a request's work is done by: one of its own while it is answered, which the next request gets after it.

Django's own handler begins a thread for each request and another to end it, and on each a connection object of its
own: half a millisecond, more than most of what a request then does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

MOST_IDLE: Final = 32
"""Threads that wait for the next request. Where more are answered at once, more are begun and end afterwards."""

_idle: Final[deque[ThreadPoolExecutor]] = deque()

_P = ParamSpec("_P")
_R = TypeVar("_R")


class OwnThread(Executor):
    """Does what it is given one after the other on one thread, which nobody else has until ``leave``."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._last: Future[Any] | None = None

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        if self._thread is None:
            self._thread = _taken()
        self._last = future = self._thread.submit(fn, *args, **kwargs)
        return future

    def leave(self) -> None:
        """Let others have the thread once it has done what it was given, also for a reader who left meanwhile. What is
        given after that is done by another."""
        thread, self._thread = self._thread, None
        if thread is not None and self._last is not None:
            self._last.add_done_callback(lambda last: _laid_by(thread, is_idle=not last.cancelled()))


@asynccontextmanager
async def own_thread() -> AsyncIterator[None]:
    """Have what is no coroutine in this block done by one thread of its own, whatever is around it.

    A server may begin a request in the context of the one before it on the same connection, whose thread is another's
    by then.
    """
    thread = OwnThread()
    try:
        async with ThreadSensitiveContext(executor=thread):
            yield
    finally:
        thread.leave()


def leave_own_thread() -> None:
    """Let others have the thread of the surrounding ``own_thread`` while it is not needed."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    own = SyncToAsync.context_to_thread_executor.get(context) if context is not None else None
    if isinstance(own, OwnThread):
        own.leave()


def _taken() -> ThreadPoolExecutor:
    try:
        return _idle.pop()
    except IndexError:
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="request")


def _laid_by(thread: ThreadPoolExecutor, *, is_idle: bool) -> None:
    """Keep it for the next request. One whose last was called off may be at the one before still: it ends with that."""
    if is_idle and len(_idle) < MOST_IDLE:
        _idle.append(thread)
    else:
        thread.shutdown(wait=False)
