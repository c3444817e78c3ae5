"""How long the head of a request may take to come. uvicorn waits for ever, and each that waits has a socket."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from loremotion.strict_framing import StrictConnection

HEAD_SECONDS: Final = 15.0
"""From the connection, or the first byte of a further request on it, to the empty line."""


class HeaderDeadline(H11Protocol):
    """uvicorn's protocol over h11 (``--http loremotion.header_deadline:HeaderDeadline``), which hangs up on whoever has
    not said in time what they ask for. Between two requests uvicorn's own ``--timeout-keep-alive`` counts. What is said
    is read by the letter (``loremotion.strict_framing``)."""

    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What is said before an answer has ended is read when it ends, in its context: language, bounds and ids.
        self.config.reset_contextvars = True
        self.conn = StrictConnection(self.conn._max_incomplete_event_size)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._deadline is None and self.timeout_keep_alive_task is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        self.logger.info("The head of a request did not come in time")
        self.transport.close()
