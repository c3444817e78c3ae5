"""Clips that are later than they were said to be, in words for staff."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, IntegerField, UUIDField, Value

from generation.scheduling.misses import SENTENCES, Cause, Miss
from generation.scheduling.overdue import overdue_clips
from generation.staff.tiles import duration

_LEAST_SECONDS: Final = 60.0
_OF_SEVERAL: Final = {
    Cause.HANDED_ON: "The GPUs that were making them stopped, so others took over.",
    Cause.ASIDE: "They let short clips go first.",
    Cause.LOADING: "Their models are taking a while to load.",
    Cause.SLOW: "They're rendering more slowly than clips like them did before.",
    Cause.SIGNING: "They're made, and wait to be signed.",
    Cause.NO_MACHINE: "No GPU that can make them is running right now.",
    Cause.BUSY: "The clips ahead of them took longer than we expected.",
}
"""The sentences about one clip that say something else of several."""


@dataclass(frozen=True, slots=True)
class Late:
    """One open clip that has missed what it was told."""

    by: str
    """By how much, as "8 min"."""
    why: str
    is_far: bool
    """Whether it takes twice as long as it was said to, and minutes more: then somebody looks after it."""
    cause: str = ""
    """What it is late by, as ``generation.scheduling.misses`` calls it."""

    @property
    def said(self) -> str:
        return f"{self.by} late."


def of(among: Collection[UUID]) -> dict[UUID, Late]:
    """Return those of the clips that are late by a minute and more, as the last round of the beat found them."""
    now = time.time()
    return {
        id: Late(duration(seconds), _why(miss.cause), miss.is_far(now), miss.cause)
        for id, miss in overdue_clips(among).items()
        if (seconds := miss.late_seconds(now)) >= _LEAST_SECONDS
    }


def far() -> dict[UUID, Miss]:
    """Return all that are far beyond their forecast, the latest first."""
    now = time.time()
    return {id: miss for id, miss in overdue_clips().items() if miss.is_far(now)}


def first_the_latest() -> Func:
    """Return what sorts those that are far beyond their forecast as ``far`` does."""
    return Func(
        Value([*far()], ArrayField(UUIDField())), F("id"), function="array_position", output_field=IntegerField()
    )


def of_all(missed: Mapping[UUID, Miss]) -> str:
    """Return by how much the latest of some clips is late, and why most of them are, in sentences."""
    now = time.time()
    most = duration(max(miss.late_seconds(now) for miss in missed.values()))
    causes = Counter(miss.cause for miss in missed.values() if _why(miss.cause))
    why = f" {_why(causes.most_common(1)[0][0], of_several=len(missed) > 1)}" if causes else ""
    return f"{'Up to ' if len(missed) > 1 else ''}{most} late.{why}"


def by_cause(clips: Iterable[Late]) -> list[str]:
    """Return how many of some clips are far beyond their forecast and why, a sentence to each cause, most first."""
    found = Counter(clip.cause for clip in clips if clip.is_far)
    return [
        f"{count} clip{'' if count == 1 else 's'} far beyond {'its' if count == 1 else 'their'} forecast. "
        f"{_why(cause, of_several=count > 1)}".strip()
        for cause, count in found.most_common()
    ]


def _why(cause: str, *, of_several: bool = False) -> str:
    sentences = {**SENTENCES, **_OF_SEVERAL} if of_several else SENTENCES
    return next((said for known, said in sentences.items() if known == cause), "")
