"""Which open clips are later than they were said to be, by how much, and why."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from generation.scheduling import forecast_board
from generation.scheduling.misses import Miss


def overdue_clips(among: Collection[UUID] | None = None) -> dict[UUID, Miss]:
    """Return what open clips have missed, by id, the latest first, as the last round of the beat found it.

    One entry in Valkey is read, with as many clips as are late, some hundreds at most, however long the queue is. Empty
    also while nobody makes forecasts or Valkey is away, which ``loremotion.health`` says.

    Args:
        among: whose clips are wanted; None: all.
    """
    places = forecast_board.places()
    found = {} if places is None else places.overdue
    return {id: miss for id, miss in found.items() if among is None or id in among}
