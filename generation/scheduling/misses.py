"""Why a clip is not ready when it was said to be."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from generation.models import Generation, State, ToldRange
from generation.tiers import yields


class Cause(StrEnum):
    HANDED_ON = "handed_on"
    ASIDE = "aside"
    LOADING = "loading"
    SLOW = "slow"
    SIGNING = "signing"
    OVERTAKEN = "overtaken"
    NO_MACHINE = "no_machine"
    NO_STORAGE = "no_storage"
    BUSY = "busy"
    CLOSE = "close"
    """It ended so soon after the promise that nobody saw it late."""


SENTENCES: Final = {
    Cause.HANDED_ON: gettext_noop("The GPU that was making it stopped, so another one took over."),
    Cause.ASIDE: gettext_noop("It let short clips go first."),
    Cause.LOADING: gettext_noop("The model is taking a while to load."),
    Cause.SLOW: gettext_noop("It's rendering more slowly than clips like it did before."),
    Cause.SIGNING: gettext_noop("It's made, and waits to be signed."),
    Cause.OVERTAKEN: gettext_noop("Paid clips went first."),
    Cause.NO_MACHINE: gettext_noop("No GPU that can make it is running right now."),
    Cause.NO_STORAGE: gettext_noop("We can't store finished clips right now."),
    Cause.BUSY: gettext_noop("The clips ahead of it took longer than we expected."),
}
_LEAST_FAR_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Miss:
    """Why an open clip is later than it was said to be, and since when it is: by the first of what it was told."""

    cause: str
    """One of ``Cause``, or of a later release's."""
    due_at: float
    """By when it was said to be ready: seconds since the epoch."""
    told_seconds: float
    """How long that was from when it was said."""

    def late_seconds(self, now: float) -> float:
        """Return by how much it is late."""
        return max(0.0, now - self.due_at)

    def is_far(self, now: float) -> bool:
        """Return whether it is far beyond its forecast: it takes twice as long as it was said to, and minutes more."""
        return self.late_seconds(now) >= max(_LEAST_FAR_SECONDS, self.told_seconds)

    def in_words(self, now: float) -> str:
        """Return by how much it is late and why, for whoever asked for it; empty for an unknown cause."""
        return sentence(self.cause, self.late_seconds(now))


def miss_of(told: ToldRange) -> Miss:
    """Return the miss of a range that is over and whose cause was noted."""
    return Miss(told.missed_by, due_at(told).timestamp(), told.high)


def sentence(cause: str, late_seconds: float = 0.0) -> str:
    """Return the sentence for people about a missed estimate; empty for an unknown cause."""
    why = next((words for known, words in SENTENCES.items() if known == cause), "")
    if not why:
        return ""
    minutes = int(late_seconds // 60)
    if minutes >= 120:
        sorry = _("Sorry, this is taking %(hours)s h longer than we said.") % {"hours": minutes // 60}
    elif minutes:
        sorry = _("Sorry, this is taking %(minutes)s min longer than we said.") % {"minutes": minutes}
    else:
        sorry = _("Sorry, this is taking longer than we said.")
    return f"{sorry} {_(why)}"


def due_at(told: ToldRange) -> datetime:
    """Return by when the clip was said to be ready."""
    return told.said_at + timedelta(seconds=told.high)


def is_missed(told: ToldRange, now: datetime) -> bool:
    """Return whether the time by which the clip was said to be ready is over."""
    return now > due_at(told)


def attempts_of(clip: Generation) -> int:
    """Return how many attempts it had, those as one that stepped aside and went on."""
    return clip.attempt - clip.times_aside


def cause_of(
    clip: Generation,
    told: ToldRange,
    near: Iterable[Generation],
    *,
    loading: Collection[str],
    signing: Collection[str] = (),
    largest_bytes: int,
    is_held_up: bool = False,
) -> Cause:
    """Return why an open clip missed what it was told.

    Args:
        near: clips in flight, and the next of the queue.
        loading: ids of clips whose worker loads weights.
        signing: ids of clips that are made and wait to be signed.
        largest_bytes: what the largest machine that takes clips may use; 0 where none does.
        is_held_up: whether no clip begins since none can be stored.
    """
    if attempts_of(clip) > max(1, told.attempt):
        return Cause.HANDED_ON
    if clip.state == State.RUNNING and str(clip.id) in signing:
        return Cause.SIGNING
    is_running = clip.state == State.RUNNING
    if is_held_up and not is_running:
        return Cause.NO_STORAGE
    if not is_running and ((clip.needs_bytes or 0) > largest_bytes or not largest_bytes):
        return Cause.NO_MACHINE
    if clip.times_aside > told.times_aside:
        return Cause.ASIDE
    if is_running:
        return Cause.LOADING if str(clip.id) in loading else Cause.SLOW
    came_since = (each for each in near if each.created_at > told.said_at and not yields(each.fair_finish))
    if yields(clip.fair_finish) and any(came_since):
        return Cause.OVERTAKEN
    return Cause.BUSY
