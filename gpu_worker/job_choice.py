"""Which of the waiting jobs a worker takes next.

The website decides the order. A worker looks at the first few jobs of the one ``render`` list and departs from that
order only where loading less saves a real part of the service time, never past a job that was overtaken
``max_skips`` times or has waited too long. ``choose`` is that decision, a pure function that knows no queue;
``rq_seams.render_queue`` shows it the line and carries it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpu_worker.contract import RenderJob


@dataclass(frozen=True, slots=True)
class Waiting:
    """One job of the window."""

    job_id: str
    job: RenderJob | None
    """None where the message cannot be read: it is served in its turn, and refused then."""
    waited_seconds: float
    skips: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a worker may depart from the order that the website decided."""

    window: int = 16
    max_skips: int = 16
    max_wait_seconds: float = 120.0
    """Nobody is overtaken who waits longer, unless the line itself is long: see ``PATIENT_LINES``."""
    affinity_fraction: float = 0.05


@dataclass(frozen=True, slots=True)
class Choice:
    """What to take, and what was seen on the way that this card cannot hold."""

    taken: Waiting | None
    unfit: tuple[str, ...] = ()


LOOKS = 4
"""A card that can hold none of the first jobs looks further, at so many windows in all. The website sees to it that
what larger cards alone can hold, of both tiers, leaves the others one of their own in these
(``scheduling.capacity``)."""
PATIENT_LINES = 4
"""In a backlog everybody waits as long as the line before him takes. So many times that is what overtaking has made."""


def choose(
    waiting: Sequence[Waiting],
    bounds: Bounds,
    *,
    can_hold: Callable[[Waiting], bool],
    loading_seconds: Callable[[RenderJob], float | None],
    service_seconds: Callable[[RenderJob], float],
) -> Choice:
    """Return which of ``waiting``, first in line first, to take next, out of those that the card can hold.

    The one with the least to load, shared among all that wait for its model, if taking it before the first saves more
    than ``affinity_fraction`` of its own service time; else the first. So a model that is there stays as long as jobs
    for it are in reach, and the one that comes after it shares most with it or is wanted most. ``loading_seconds`` is
    None where it cannot be told: such a job neither overtakes nor is overtaken. Nobody is overtaken more than
    ``max_skips`` times, who waits to go on after stepping aside, or who has waited for both ``max_wait_seconds`` and
    four times the service time of the whole window; so a job is served at the latest after those before it and
    ``max_skips`` others. A job that yields overtakes none that does not. With one that does not behind it, it yields no
    more, whatever its message says: it was passed often enough. Asks what fits and what loads about no more jobs than
    the decision needs.
    """
    window = waiting[: bounds.window]
    line_seconds = sum(service_seconds(w.job) for w in window if w.job is not None)
    patience_seconds = max(bounds.max_wait_seconds, PATIENT_LINES * line_seconds)
    sharers = Counter(w.job.model.slug for w in window if w.job is not None)
    first: Waiting | None = None
    best: Waiting | None = None
    first_seconds = least_share = 0.0
    first_yields = False
    yields_from = 1 + max((n for n, w in enumerate(window) if w.job is not None and not w.job.yields), default=-1)
    unfit: list[str] = []
    for place, candidate in enumerate(window):
        if not can_hold(candidate):
            unfit.append(candidate.job_id)
            continue
        yields = candidate.job is not None and place >= yields_from
        seconds = None if candidate.job is None else loading_seconds(candidate.job)
        share = seconds / sharers[candidate.job.model.slug] if candidate.job and seconds else 0.0
        if first is None:
            first = best = candidate
            first_yields = yields
            first_seconds, least_share = seconds or 0.0, share
        elif yields and not first_yields:
            break  # and so do all that are behind it
        elif candidate.job is not None and seconds is not None and share < least_share:
            is_worth_it = first_seconds - seconds > bounds.affinity_fraction * service_seconds(candidate.job)
            if is_worth_it:
                best, least_share = candidate, share
        is_overdue = candidate.skips >= bounds.max_skips or candidate.waited_seconds > patience_seconds
        is_overdue |= candidate.job is not None and candidate.job.times_aside > 0
        if is_overdue or seconds is None or not least_share:
            break
    return Choice(best, tuple(unfit))
