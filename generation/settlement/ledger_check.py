"""What the last check of the books found: kept where staff looks, since a check costs too much for a page."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import redis
from django.core.cache import cache
from django.utils import timezone

from billing import ledger

logger = logging.getLogger(__name__)

LOOKS_BACK: Final = timedelta(minutes=15)
MOST_SHOWN: Final = 10
_KEY: Final = "ledger:check"
_KEPT_SECONDS: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    at: datetime
    violations: tuple[str, ...]


def run() -> None:
    """Log as critical where the books of accounts that moved lately do not add up, and note what was found."""
    found = ledger.violations(limit=MOST_SHOWN, touched_since=timezone.now() - LOOKS_BACK)
    for violation in found:
        logger.critical("Ledger violation: %s", violation)
    try:
        cache.set(_KEY, {"at": timezone.now().isoformat(), "violations": [str(each) for each in found]}, _KEPT_SECONDS)
    except redis.RedisError as problem:
        logger.warning("What the check of the ledger found is not noted: %s", problem)


def last() -> LedgerCheck | None:
    """Return what the last check found; None where there was none lately, or Valkey is away."""
    try:
        kept = cache.get(_KEY)
    except redis.RedisError:
        return None
    return kept and LedgerCheck(datetime.fromisoformat(kept["at"]), tuple(kept["violations"]))
