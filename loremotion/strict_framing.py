"""Where the parts of a request end, by the letter of RFC 9112. h11 forgives more, and a proxy may read that otherwise.

Whoever gets two programs to disagree on where a request ends hides a second one in the first, and the proxy gives its
answer to whoever is next on that connection.
"""

from __future__ import annotations

import re
from typing import Any, Final

import h11
from h11._receivebuffer import ReceiveBuffer  # has no public way to be strict

BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
FOLDED_LINE: Final = re.compile(rb"\n[ \t]")
LENGTH: Final = re.compile(rb"^content-length:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
BARE_CARRIAGE_RETURN: Final = re.compile(rb"\r(?!\n)")
VERSIONS: Final = frozenset({b"1.0", b"1.1"})


class StrictConnection(h11.Connection):
    """A server's side of a connection that refuses what h11 forgives: lines that end in a line feed alone, folded
    fields, a length that is said twice, other versions, chunks from a client that cannot know them."""

    def __init__(self, max_incomplete_event_size: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size)
        self._receive_buffer = _StrictBuffer()

    def next_event(self) -> Any:  # as h11's own
        """The next event.

        Raises:
            RemoteProtocolError: it is not as the standard has it.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            if event.http_version not in VERSIONS:
                raise h11.RemoteProtocolError("neither HTTP/1.0 nor HTTP/1.1")
            if event.http_version == b"1.0" and any(name == b"transfer-encoding" for name, _ in event.headers):
                raise h11.RemoteProtocolError("HTTP/1.0 has no Transfer-Encoding")
        return event


class _StrictBuffer(ReceiveBuffer):
    """Looks at heads, at fields after the last chunk and at the lines between chunks, before h11 reads them."""

    _is_of_fields = False

    def maybe_extract_lines(self) -> list[bytearray] | None:
        self._is_of_fields = True
        try:
            return super().maybe_extract_lines()
        finally:
            self._is_of_fields = False

    def maybe_extract_next_line(self) -> bytearray | None:
        line = super().maybe_extract_next_line()
        if line is not None and BARE_CARRIAGE_RETURN.search(line):
            raise h11.RemoteProtocolError("a carriage return within a line")
        return line

    def _extract(self, count: int) -> bytearray:
        taken = super()._extract(count)
        if self._is_of_fields:
            _refuse_ambiguous(taken)
        return taken


def _refuse_ambiguous(fields: bytearray) -> None:
    if BARE_LINE_FEED.search(fields):
        raise h11.RemoteProtocolError("a line that ends in a line feed alone")
    if FOLDED_LINE.search(fields):
        raise h11.RemoteProtocolError("a folded field")
    lengths = LENGTH.findall(fields)
    if len(lengths) > 1 or any(b"," in said for said in lengths):
        raise h11.RemoteProtocolError("a length that is said twice")
