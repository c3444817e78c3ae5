"""What tests of webhooks do: end a clip, send what is due."""

from __future__ import annotations

from django.utils import timezone

from accounts.models import Workspace
from generation.models import Generation
from generation.settlement import settle
from generation.webhooks import deliveries
from generation.webhooks.models import Delivery
from gpu_worker.contract import Outcome
from loremotion.outbox.models import State
from tests.generation import factories


def finished(studio: Workspace, outcome: Outcome = Outcome.SUCCEEDED) -> Generation:
    """A clip that has ended, settled as its worker reported."""
    generation = factories.submitted(studio)
    generation.attempt, generation.state = 1, "running"
    generation.save(update_fields=["attempt", "state"])
    if outcome == Outcome.SUCCEEDED:
        factories.deliver_clip(generation)
    if outcome == Outcome.CANCELLED:
        settle.cancel(generation)
    settle.settle(factories.report(generation, outcome))
    return generation


def work() -> int:
    """One pass of the workers over what is due now. Returns how many arrived."""
    due = Delivery.objects.filter(state=State.WAITING, due_at__lte=timezone.now()).order_by("due_at")
    return sum(deliveries.deliver(row_id) for row_id in list(due.values_list("id", flat=True)))


def only_delivery() -> Delivery:
    return Delivery.objects.get()
