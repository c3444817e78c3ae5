"""The progress of one generation: a Valkey Stream that the worker and the web write and browsers follow."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import redis

from gpu_worker.contract import Progress
from gpu_worker.valkey_names import PROGRESS_MAXLEN, PROGRESS_TTL_SECONDS, progress_key
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

MOST_PREVIEW_CHARACTERS: Final = 256 * 1024
"""A worker's are a tenth of that."""
_PREVIEW: Final = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class Event:
    """One entry: ``id`` is the stream's and the SSE id."""

    id: str
    progress: Progress


def publish(generation_id: UUID, progress: Progress) -> None:
    """Publish an event. Best effort: the database is the truth, and watchers look there in a silence."""
    stream = progress_key(str(generation_id))
    try:
        with connection().pipeline(transaction=False) as pipe:
            pipe.xadd(
                stream,
                {"event": progress.kind, "data": json.dumps(progress.to_wire())},
                maxlen=PROGRESS_MAXLEN,
                approximate=True,
            )
            pipe.expire(stream, PROGRESS_TTL_SECONDS)
            pipe.execute()
    except redis.RedisError as error:
        logger.warning("Progress of %s was not published: %s", generation_id, error)


def latest(generation_id: UUID) -> Progress | None:
    """Stage, step and picture as of now, from the newest entries: for pages without JavaScript and for polling."""
    return latest_of([generation_id]).get(generation_id)


def latest_of(generation_ids: Sequence[UUID], *, entries: int = 40) -> dict[UUID, Progress]:
    """The latest progress of many at once, in one round trip: of those that have any.

    Args:
        entries: how many of the newest are read of each. Some hold pictures, so whoever needs none reads a few.
    """
    if not generation_ids:
        return {}
    try:
        with connection().pipeline(transaction=False) as pipe:
            for each in generation_ids:
                pipe.xrevrange(progress_key(str(each)), count=entries)
            heard = dict(zip(generation_ids, map(_newest, pipe.execute()), strict=True))
    except redis.RedisError:
        return {}
    return {each: newest for each, newest in heard.items() if newest is not None}


def _newest(entries: Any) -> Progress | None:
    stage, step, picture = None, None, None
    for progress in _readable(entries):
        if progress.kind == "stage" and stage is None:
            stage = progress
            break  # steps and pictures before this entry belong to the stage before
        if progress.kind == "step" and step is None:
            step = progress
        if progress.kind == "preview" and picture is None:
            picture = progress
    newest = step or stage
    if newest is None:
        return None
    return Progress(
        kind="step",
        stage=newest.stage or (stage.stage if stage else ""),
        step=newest.step,
        steps_total=newest.steps_total,
        percent=percent_of(newest.percent),
        seconds_per_step=newest.seconds_per_step,
        preview=preview_of(picture.preview) if picture else "",
        message=newest.message,
    )


def percent_of(said: Any) -> int:
    """The percentage of a running clip that is done, as its worker says it; 99 at most, whatever that says."""
    return max(0, min(99, said)) if type(said) is int else 0


def preview_of(said: str) -> str:
    """The picture of a running clip, as its worker says it; empty where that is none.

    Whoever shows it would fetch an address, if a host wrote one, and tell who watches.
    """
    is_picture = len(said) <= MOST_PREVIEW_CHARACTERS and _PREVIEW.fullmatch(said) is not None
    return said if is_picture else ""


def _readable(entries: Any) -> Iterator[Progress]:
    """The entries that can be read: one odd entry hides no other."""
    for entry_id, fields in entries:
        try:
            progress = Progress.from_wire(json.loads(fields[b"data"]))
            (progress.stage + progress.message).encode()  # JSON may name half a character, which no page can show
            yield progress
        except (KeyError, TypeError, ValueError, RecursionError):
            logger.warning("Entry %s of a stream of progress cannot be read", entry_id)


def decode(fields: dict[bytes, bytes]) -> tuple[str, str]:
    """Return ``(event, data)`` of a raw stream entry."""
    return fields[b"event"].decode(), fields[b"data"].decode()
