"""Clips that are later than they were said to be, in words for staff."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from generation.scheduling.misses import SENTENCES, Miss
from generation.scheduling.overdue import overdue_clips
from generation.staff.tiles import duration


@dataclass(frozen=True, slots=True)
class Late:
    """One open clip that has missed what it was told."""

    said: str
    """By how much, and why."""
    is_far: bool
    """Whether it takes twice as long as it was said to, and minutes more: then somebody looks after it."""


def of(among: Collection[UUID]) -> dict[UUID, Late]:
    """Return those of the clips that are late, as the last round of the beat found them."""
    now = time.time()
    return {id: Late(_said(miss, now), miss.is_far(now)) for id, miss in overdue_clips(among).items()}


def far() -> dict[UUID, Miss]:
    """Return all that are far beyond their forecast, the latest first."""
    now = time.time()
    return {id: miss for id, miss in overdue_clips().items() if miss.is_far(now)}


def most_common_cause(missed: Mapping[UUID, Miss]) -> str:
    """Return why most of them are late, as a sentence; empty where nobody knows."""
    causes = Counter(miss.cause for miss in missed.values() if _why(miss.cause))
    return _why(causes.most_common(1)[0][0]) if causes else ""


def _said(miss: Miss, now: float) -> str:
    return f"{duration(miss.late_seconds(now))} later than forecast. {_why(miss.cause)}".strip()


def _why(cause: str) -> str:
    return next((said for known, said in SENTENCES.items() if known == cause), "")
