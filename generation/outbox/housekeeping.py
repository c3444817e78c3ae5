"""What the beat does for the outbox: rings for what is due, forgets what is long over. Sends nothing itself."""

from __future__ import annotations

from django.core.cache import cache

from generation.outbox import carrying
from generation.outbox.models import Delivery, Letter

FORGETS_EVERY_SECONDS = 600


def sweep() -> None:
    """One round. Idempotent and cheap."""
    for kind in (Delivery, Letter):
        carrying.ring_for_what_is_due(kind)
    if cache.add("outbox:forget", True, timeout=FORGETS_EVERY_SECONDS):
        for kind in (Delivery, Letter):
            carrying.forget_old(kind)
