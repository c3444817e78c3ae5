"""On whose behalf a line is logged: the request and the clip, from the click to the clip, on both sides of the wire;
and the mail, the event or the object at Stripe that is worked on.

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
IDS: Final = (REQUEST_ID, GENERATION_ID, "mail_id", "about_id", "event_id", "object_id", "subject", JOB_ID)
"""``about_id``: what a mail is about. ``object_id``: what an event of Stripe is about. ``subject``: what is brought to
where Stripe says, such as ``order:…``."""
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RAISED_WITH: Final = "_log_ids"
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_ids: ContextVar[Mapping[str, str]] = ContextVar("log_ids", default=MappingProxyType({}))


def current(name: str) -> str:
    """Return the id of this name that is in force; empty where there is none."""
    return _ids.get().get(name, "")


def clean_id(said: str) -> str:
    """Return an id that somebody else said, or nothing where it is none: too long, or not letters, digits, ``._-``."""
    return said if _ID.fullmatch(said) else ""


@contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Put ``ids`` on every record of the block, and of what ends it. An empty one leaves what is in force."""
    token = _ids.set({**_ids.get(), **{name: value for name, value in ids.items() if value}})
    try:
        yield
    except Exception as error:
        error.__dict__.setdefault(_RAISED_WITH, _ids.get())
        raise
    finally:
        _ids.reset(token)


def of(error: BaseException | None) -> Mapping[str, str]:
    """Return the ids that were in force where ``error`` was raised, for whoever logs it further out."""
    return {} if error is None else error.__dict__.get(_RAISED_WITH, {})


class ContextFilter(logging.Filter):
    """Gives each record the ids that are in force where it is logged; of an error, those where it was raised too."""

    def filter(self, record: logging.LogRecord) -> bool:
        ids = {**of(record.exc_info[1] if record.exc_info else None), **_ids.get()}
        for name in IDS:
            if not hasattr(record, name):
                setattr(record, name, ids.get(name, ""))
        return True


class LineFormatter(logging.Formatter):
    """A line for people, which names the request and the clip where there are any, and whatever else is worked on. The
    job it names where there is no clip, since those of clips are called after it. What a message holds of somebody
    else's words ends no line and moves no cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), record.message)
        shown = {name: value for name in IDS if (value := getattr(record, name, ""))}
        if GENERATION_ID in shown:
            shown.pop(JOB_ID, None)
        ids = " ".join(f"{name.removesuffix('_id')}={value}" for name, value in shown.items())
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
