"""What an ``Observer`` has learned, in a few small rows: a restart of the beat or of Valkey forgets none of it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from generation.models import ForecastMemory
from generation.scheduling.observation import Observer

logger = logging.getLogger(__name__)

SAVED_EVERY_SECONDS: Final = 60.0


@dataclass(slots=True)
class Memory:
    """When one process wrote down last what its observer knows."""

    _saved_at: float | None = None
    """None until all was read: whoever knows nothing yet replaces nothing."""

    def recall(self, observer: Observer) -> None:
        """Have the observer begin where the last process left off. Does so once; where the database is away, the
        next round does."""
        if self._saved_at is not None:
            return
        for row in ForecastMemory.objects.all():  # read whole, before the first is taken over
            try:
                observer.take_over(row.subject, row.learned, known_at=row.at.timestamp())
            except (LookupError, TypeError, ValueError, AttributeError) as problem:
                logger.warning("What was learned of %s is of another kind and begins anew: %r", row.subject, problem)
        self._saved_at = time.time()

    def save(self, observer: Observer) -> None:
        """Write down what the observer knows, in one statement a minute."""
        now = time.time()
        if self._saved_at is None or now - self._saved_at < SAVED_EVERY_SECONDS:
            return
        self._saved_at, at = now, datetime.fromtimestamp(now, UTC)
        learned = observer.to_json()
        ForecastMemory.objects.bulk_create(
            [ForecastMemory(subject=subject, learned=learned[subject], at=at) for subject in sorted(learned)],
            update_conflicts=True,
            unique_fields=["subject"],
            update_fields=["learned", "at"],
        )
