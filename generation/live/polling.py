"""How clips stand, as the database says it of many at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import redis
from django.db import close_old_connections
from django.db import connection as database

from generation.models import OPEN_STATES, Generation, State
from generation.scheduling.wait import wait_of
from loremotion.row_security import across_workspaces


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says: how long it waits, as JSON, empty if that was not looked up; whether it has ended."""

    wait: str
    is_over: bool


UNKNOWN = Standing("", is_over=False)


@across_workspaces("everybody's clips are looked at together; each watcher was let in to their own")
def look_at(ids: Iterable[UUID], in_turn: set[UUID]) -> dict[UUID, Standing]:
    """How each of ``ids`` stands; of those ``in_turn`` that wait, how long. One that was erased is over."""
    try:
        ids = set(ids)
        open_ones = Generation.objects.filter(id__in=ids, state__in=OPEN_STATES).select_related("version")
        open_now = {row.id: row for row in open_ones}
        return {each: _standing(open_now.get(each), is_in_turn=each in in_turn) for each in ids}
    finally:
        if not database.in_atomic_block:  # in a transaction it is not ours to give
            close_old_connections()


def _standing(generation: Generation | None, *, is_in_turn: bool) -> Standing:
    if generation is None:
        return Standing("", is_over=True)
    if generation.state == State.RUNNING or not is_in_turn:
        return Standing("", is_over=False)
    try:
        wait = wait_of(generation)
    except redis.RedisError:
        return Standing("", is_over=False)
    said = {"position": wait.place, "low": wait.low_seconds, "high": wait.high_seconds, "message": wait.reason}
    return Standing(json.dumps(said), is_over=False)
