"""On whose behalf a line is logged: the request and the clip, from the click to the clip, on both sides of the wire.

One context variable holds the ids; ``ContextFilter`` puts them on every record of a handler, and two formatters show
them. Stands in ``gpu_worker`` because both sides log, and imports nothing, so that the engine may use it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

REQUEST_ID, GENERATION_ID, JOB_ID = "request_id", "generation_id", "job_id"
IDS: Final = (REQUEST_ID, GENERATION_ID, JOB_ID)
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_ids: ContextVar[Mapping[str, str]] = ContextVar("log_ids", default=MappingProxyType({}))


def current(name: str) -> str:
    """Return the id of this name that is in force; empty where there is none."""
    return _ids.get().get(name, "")


def cleaned(said: str) -> str:
    """Return an id that somebody else said, or nothing where it is none: too long, or not letters, digits, ``._-``."""
    return said if _ID.fullmatch(said) else ""


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Put ``ids`` on every record of the block. An empty one leaves what is in force."""
    token = _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value}})
    try:
        yield
    finally:
        _ids.reset(token)


class ContextFilter(logging.Filter):
    """Gives each record the ids that are in force where it is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name in IDS:
            if not hasattr(record, name):
                setattr(record, name, current(name))
        return True


class LineFormatter(logging.Formatter):
    """A line for people, which names the request and the clip where there are any. What a message holds of somebody
    else's words ends no line and moves no cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), record.message)
        shown = ((name.removesuffix("_id"), getattr(record, name, "")) for name in (REQUEST_ID, GENERATION_ID))
        ids = " ".join(f"{name}={value}" for name, value in shown if value)
        return super().formatMessage(record) + (f" [{ids}]" if ids else "")


class JsonFormatter(logging.Formatter):
    """An object a line, for machines."""

    def __init__(self, **always: str) -> None:
        """``always`` is in each line, such as the name of the worker."""
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **self._always,
            **{name: value for name in IDS if (value := getattr(record, name, ""))},
            **{name: getattr(record, name) for name in ("event", "fields") if hasattr(record, name)},
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)
