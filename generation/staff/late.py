"""Clips that are later than they were said to be, in words for staff."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from generation.scheduling.misses import SENTENCES, Miss
from generation.scheduling.overdue import overdue_clips
from generation.staff.tiles import duration

_LEAST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Late:
    """One open clip that has missed what it was told."""

    said: str
    """By how much."""
    why: str
    is_far: bool
    """Whether it takes twice as long as it was said to, and minutes more: then somebody looks after it."""


def of(among: Collection[UUID]) -> dict[UUID, Late]:
    """Return those of the clips that are late by a minute and more, as the last round of the beat found them."""
    now = time.time()
    return {
        id: Late(f"{duration(seconds)} later than forecast.", _why(miss.cause), miss.is_far(now))
        for id, miss in overdue_clips(among).items()
        if (seconds := miss.late_seconds(now)) >= _LEAST_SECONDS
    }


def far() -> dict[UUID, Miss]:
    """Return all that are far beyond their forecast, the latest first."""
    now = time.time()
    return {id: miss for id, miss in overdue_clips().items() if miss.is_far(now)}


def of_all(missed: Mapping[UUID, Miss]) -> str:
    """Return by how much the latest of some clips is late, and why most of them are, in sentences."""
    now = time.time()
    most = duration(max(miss.late_seconds(now) for miss in missed.values()))
    causes = Counter(why for miss in missed.values() if (why := _why(miss.cause)))
    why = f" {causes.most_common(1)[0][0]}" if causes else ""
    return f"{'Up to ' if len(missed) > 1 else ''}{most} later.{why}"


def _why(cause: str) -> str:
    return next((said for known, said in SENTENCES.items() if known == cause), "")
