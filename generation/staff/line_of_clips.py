"""The clips that wait, for staff: in the order in which they are made, and why each is not made yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils import timezone

from accounts import whose
from generation.models import AWAITS_ANOTHER, Generation, State
from generation.scheduling import wait
from generation.staff import late, why_waiting
from generation.staff.late import Late
from generation.staff.tiles import duration
from generation.tiers import FREE_BEGINS, yields

MOST: Final = 30
MOST_UNFIT: Final = 10
"""Of the clips that no GPU fits: they stand on top, and leave room for those that wait for their turn."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One clip in the order in which they are made, and why it is not made yet."""

    clip: Generation
    whose: str
    is_free: bool
    why: str
    ready: str
    waited: str
    """Since it was asked for, in words."""
    is_stuck: bool
    """Whether it waits for a machine that is not there, and not for its turn."""
    late: Late | None


def first(budgets: Sequence[int], *, shows_owners: bool) -> list[Waiting]:
    """The first that wait: those that no GPU fits, those that a worker can already take, then the queue, in the order
    of ``fair_order``."""
    rows = Generation.objects.select_related("version__model", "workspace")
    if shows_owners:
        rows = rows.prefetch_related(whose.owners("workspace__memberships"))
    yielding = ExpressionWrapper(Q(fair_finish__gte=FREE_BEGINS), BooleanField())
    taken = rows.filter(state=State.DISPATCHED).order_by(yielding, "dispatched_at", "fair_finish", "created_at", "id")
    queued = rows.filter(state=State.QUEUED).order_by("fair_finish", "created_at", "id")
    clips = (
        []
        if not budgets
        else [*queued.filter(needs_bytes__gt=budgets[-1], needs_bytes__lt=AWAITS_ANOTHER)[:MOST_UNFIT]]
    )
    for each in (taken, queued):
        clips += each.exclude(id__in=[clip.id for clip in clips])[: MOST - len(clips)]
    waits, now = wait.waits_of(clips) if clips else {}, timezone.now()
    overdue = late.of([clip.id for clip in clips]) if clips else {}
    return [
        Waiting(
            clip,
            whose.title_of(clip.workspace),
            yields(clip.fair_finish),
            why_waiting.why(clip, waits[clip.id], budgets),
            waits[clip.id].in_words,
            duration(max(0.0, (now - clip.created_at).total_seconds())),
            waits[clip.id].is_for_a_machine,
            overdue.get(clip.id),
        )
        for clip in clips
    ]
