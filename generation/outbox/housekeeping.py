"""What the beat does for the outbox: writes letters, rings, forgets what is long over. Sends nothing."""

from __future__ import annotations

from django.core.cache import cache

from generation.outbox import carrying, invitations, money
from generation.outbox.models import Delivery, Letter

FORGETS_EVERY_SECONDS = 600
LOOKS_AT_MONEY_EVERY_SECONDS = 60


def sweep() -> None:
    """One round. Idempotent and cheap."""
    invitations.write_due()
    if cache.add("outbox:money", True, timeout=LOOKS_AT_MONEY_EVERY_SECONDS):
        money.write_due()
    for kind in (Delivery, Letter):
        carrying.ring_for_what_is_due(kind)
    if cache.add("outbox:forget", True, timeout=FORGETS_EVERY_SECONDS):
        for kind in (Delivery, Letter):
            carrying.forget_old(kind)
