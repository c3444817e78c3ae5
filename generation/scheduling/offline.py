"""Which models are offline: no machine that is on could take their clips."""

from __future__ import annotations

from typing import Final

import redis
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.offers import Offer
from generation.scheduling import capacity

GB: Final = 10**9
NO_REMOTE_WORKER: Final = gettext_noop("This model is offline right now: nobody who can ask its provider is running.")


def _budgets() -> list[int]:
    """Return the bytes of every worker that takes jobs, ascending; none while Valkey is away, since a request that was
    accepted must not look as if it had failed."""
    try:
        return capacity.taking_budgets()
    except redis.RedisError:
        return []


def largest_machine_bytes() -> int | None:
    """Return the bytes of the largest machine that takes clips now; None where none is known."""
    return max(_budgets(), default=None)


def why_nobody_takes(offer: Offer) -> str:
    """Return why this clip could not begin before another machine is on; empty where it could."""
    if capacity.is_remote(needed_bytes := offer.least_bytes):
        return "" if _is_anybody_remote() else _(NO_REMOTE_WORKER)
    largest_bytes = largest_machine_bytes()
    needed_bytes = needed_bytes if largest_bytes is not None else None
    if largest_bytes is None or needed_bytes is None or needed_bytes <= largest_bytes:
        return ""
    return too_large(needed_bytes, largest_bytes)


def _is_anybody_remote() -> bool:
    try:
        return capacity.remote_workers() > 0
    except redis.RedisError:
        return True  # nobody knows


def too_large(needed_bytes: int, largest_bytes: int) -> str:
    """Return the sentence that says why a clip that needs so much memory does not begin."""
    return _(
        "This model is offline right now, and back when a bigger GPU is on (about %(needed)s GB; the largest one "
        "running has %(largest)s GB)."
    ) % {"needed": f"{needed_bytes / GB:.0f}", "largest": f"{largest_bytes / GB:.0f}"}
