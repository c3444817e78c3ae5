"""Why a clip is not ready when it was said to be."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from generation.models import Generation, State, ToldRange
from generation.tiers import yields


class Cause(StrEnum):
    HANDED_ON = "handed_on"
    LOADING = "loading"
    SLOW = "slow"
    SIGNING = "signing"
    OVERTAKEN = "overtaken"
    NO_MACHINE = "no_machine"
    BUSY = "busy"
    CLOSE = "close"
    """It ended so soon after the promise that nobody saw it late."""


SENTENCES: Final = {
    Cause.HANDED_ON: "The GPU that was making it stopped, so another one took over.",
    Cause.LOADING: "The model is taking a while to load.",
    Cause.SLOW: "It's rendering more slowly than clips like it did before.",
    Cause.SIGNING: "It's made, and waits to be signed.",
    Cause.OVERTAKEN: "Paid clips went first.",
    Cause.NO_MACHINE: "No GPU that can make it is running right now.",
    Cause.BUSY: "The clips ahead of it took longer than we expected.",
}


def sentence(cause: str) -> str:
    """Return the sentence for people about a missed estimate; empty for an unknown cause."""
    why = next((words for known, words in SENTENCES.items() if known == cause), "")
    return f"Sorry, this is taking longer than we said. {why}" if why else ""


def is_missed(told: ToldRange, now: datetime) -> bool:
    """Return whether the time by which the clip was said to be ready is over."""
    return now > told.said_at + timedelta(seconds=told.high)


def cause_of(
    clip: Generation,
    told: ToldRange,
    near: Iterable[Generation],
    *,
    loading: Collection[str],
    signing: Collection[str] = (),
    largest_bytes: int,
) -> Cause:
    """Return why an open clip missed what it was told.

    Args:
        near: clips in flight, and the next of the queue.
        loading: ids of clips whose worker loads weights.
        signing: ids of clips that are made and wait to be signed.
        largest_bytes: what the largest machine that takes clips may use; 0 where none does.
    """
    if clip.attempt > max(1, told.attempt):
        return Cause.HANDED_ON
    if clip.state == State.RUNNING and str(clip.id) in signing:
        return Cause.SIGNING
    if clip.state == State.RUNNING:
        return Cause.LOADING if str(clip.id) in loading else Cause.SLOW
    if (clip.needs_bytes or 0) > largest_bytes or not largest_bytes:
        return Cause.NO_MACHINE
    came_since = (each for each in near if each.created_at > told.said_at and not yields(each.fair_finish))
    if yields(clip.fair_finish) and any(came_since):
        return Cause.OVERTAKEN
    return Cause.BUSY
