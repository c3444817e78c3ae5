"""Why a clip has the place that it has: in a sentence for its owner, and with every tag for staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import F
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from generation.models import FairClock, Generation, State
from generation.scheduling import capacity
from generation.scheduling.fair_order import key_of
from generation.scheduling.places import EXACT, Place, Row, look
from generation.tiers import MOST_PASSES, on_its_clock, yields

_GOES_FIRST: Final = gettext_noop(
    "Clips that are paid for go before free ones, %(most)s of them at most before the next free one."
)
GOES_FIRST: Final = _GOES_FIRST % {"most": MOST_PASSES}
"""In English, for staff."""
SHOWN = 20
"""Clips before it that staff sees."""


def sentence(generation: Generation, before: Sequence[Row]) -> str:
    """Why so many clips are before this one, for whoever asked for it; empty where none is.

    Args:
        before: the first few dozen that wait before it.
    """
    if not before:
        return ""
    # Others of the same line are not counted apart: a member would learn what the team's owner asks for elsewhere, and
    # a visitor who else is in their network.
    own = [row.workspace_id for row in before].count(generation.workspace_id)
    others = len(before) - own
    parts = []
    if own:
        parts.append(ngettext("%(count)s is yours", "%(count)s are yours", own) % {"count": own})
    if others:
        theirs = ngettext(
            "%(count)s belongs to others whose turn comes first",
            "%(count)s belong to others whose turn comes first",
            others,
        )
        parts.append(theirs % {"count": others})
    whose = _("%(several)s and %(last)s") % {"several": parts[0], "last": parts[1]} if len(parts) > 1 else parts[0]
    if len(before) == EXACT:
        among = _("Of the next %(count)s clips, %(whose)s.") % {"count": EXACT, "whose": whose}
    else:
        among = _("Of the clips ahead, %(whose)s.") % {"whose": whose}
    in_turn = _(
        "Everyone gets GPU time in turn, in proportion to their plan, so if you queue many clips, they mostly wait for "
        "each other."
    )
    goes_first = [_(_GOES_FIRST) % {"most": MOST_PASSES}] if yields(generation.fair_finish) else []
    return " ".join([among, in_turn, *goes_first])


@dataclass(frozen=True, slots=True)
class Tags:
    """One clip in the fair queue, as the rule sees it."""

    generation: Generation
    start: float | None
    """Where its line's last tag or the clock stood when it came; None of requests of the last release."""

    @property
    def is_free(self) -> bool:
        return yields(self.generation.fair_finish)

    @property
    def finish(self) -> float:
        """On the clock of its tier, as ``start``."""
        return on_its_clock(self.generation.fair_finish)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A place with everything that it follows from."""

    place: Place
    tags: Tags
    virtual_time: float
    """Of clips that are paid for."""
    free_time: float
    before: tuple[Tags, ...]
    """The nearest of those that wait before it, first in line first."""


def explain(generation: Generation) -> Explanation | None:
    """Everything behind the place of a clip that waits in the fair queue; None for any other."""
    if generation.state != State.QUEUED:
        return None
    waiting = Generation.objects.filter(state=State.QUEUED).select_related("version__model")
    earlier = waiting.filter(
        TupleLessThan(Tuple(F("fair_finish"), F("created_at"), F("id")), tuple(key_of(generation)))
    )
    nearest = list(earlier.order_by("-fair_finish", "-created_at", "-id")[:SHOWN])
    clock = FairClock.objects.filter(id=1).first()
    return Explanation(
        place=look(capacity.line_of(capacity.budgets(), generation.needs_bytes)).place_of(generation),
        tags=_tags(generation),
        virtual_time=clock.virtual_time if clock is not None else 0.0,
        free_time=on_its_clock(clock.free_time) if clock is not None else 0.0,
        before=tuple(_tags(row) for row in reversed(nearest)),
    )


def _tags(generation: Generation) -> Tags:
    weight = generation.fair_weight
    finish = on_its_clock(generation.fair_finish)
    return Tags(generation, finish - generation.credits_quoted / weight if weight else None)
