"""What the beat does for the outbox: enqueues what is due, forgets what is long over. Sends nothing."""

from __future__ import annotations

from django.apps import apps
from django.core.cache import cache

from loremotion.outbox import sending
from loremotion.outbox.models import Outgoing

FORGETS_EVERY_SECONDS = 600


def sweep() -> None:
    """One round over everything that is sent, whichever app declares it. Idempotent and cheap."""
    kinds = [model for model in apps.get_models() if issubclass(model, Outgoing)]
    for kind in kinds:
        sending.enqueue_due(kind)
    if cache.add("outbox:forget", True, timeout=FORGETS_EVERY_SECONDS):
        for kind in kinds:
            sending.forget_old(kind)
