"""What customers have paid, and what waits for staff."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.admin.models import CHANGE, LogEntry
from django.utils import timezone

from accounts import audit
from accounts.models import User
from billing import ledger, proposals
from billing.models import Proposal
from billing.shop.models import (
    Customer,
    FeeDay,
    LiabilityDay,
    Mismatch,
    Payment,
    Price,
    Reconciliation,
    StripeEvent,
    Subscription,
)
from catalog import versions
from catalog.models import Model
from generation.models import Generation
from generation.moderation import reviews
from generation.settlement.notifications import CLIP_ENDED
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage
from tests.accounts.factories import person
from tests.lifelike import PEOPLE


def pay(workspaces: list[Any]) -> None:
    """Write down payments of five workspaces, a few of them refunded."""
    prices = list(Price.objects.filter(currency="usd").order_by("id")[:4])
    for number, workspace in enumerate(workspaces[:5]):
        Customer.objects.create(workspace=workspace.id, stripe_customer_id=f"cus_lifelike{number}")
    for number in range(36):
        workspace, price = workspaces[number % 5], prices[number % len(prices)]
        Payment.objects.create(
            source=f"invoice:in_lifelike{number}",
            stripe_invoice_id=f"in_lifelike{number}",
            stripe_payment_intent_id=f"pi_lifelike{number}",
            workspace=workspace.id,
            account=workspace.id,
            price=price,
            amount_minor=price.amount_minor,
            refunded_minor=price.amount_minor if number % 17 == 5 else 0,
            disputed_minor=price.amount_minor if number == 2 else 0,
            dispute_status="needs_response" if number == 2 else "",
            dispute_due_at=timezone.now() + timedelta(days=5) if number == 2 else None,
            currency="usd",
            credits=1000,
            paid_at=timezone.now() - timedelta(hours=7 + 38 * number),
        )
        if number % 3 == 0:
            ledger.grant(
                account=workspace.id, reference=f"invoice:in_lifelike{number}", amount=1000, kind=ledger.LotKind.PLAN
            )


def bring_before_staff(workspaces: list[Any]) -> None:
    """Leave staff a proposal above the limit, an event that failed, a difference with Stripe, a plan whose payment
    failed, and webhooks and a mail that were given up."""
    now, ada = timezone.now(), User.objects.get(email=PEOPLE[0][0])
    grace = _another_of_staff()
    proposals.propose(
        proposal_id=uuid4(),
        kind=Proposal.Kind.ADJUST,
        account=workspaces[1].id,
        amount=5_000,
        reason="A day without GPUs",
        staff=grace,
    )
    reviews.ask(workspaces[3], user=User.objects.get(email=PEOPLE[3][0]), prompt="hardcore porn")
    StripeEvent.objects.create(
        event_id="evt_lifelike",
        type="invoice.paid",
        object_id="in_lifelike99",
        state="dead",
        last_error="No such price",
    )
    audit.record(workspaces[0], "key.issued", actor=PEOPLE[0][0], subject="lm_7f2c", name="ci", scopes=["generate"])
    audit.record(workspaces[4], "member.invited", actor=PEOPLE[0][0], subject=PEOPLE[1][0], role="member")
    audit.record(workspaces[1], "staff.looked", actor=f"staff {grace.email}")
    given: dict[str, Any] = {"amount": 200, "reason": "Three clips failed on Friday", "state": "done"}
    audit.record(workspaces[2], "credits.adjusted", actor=f"staff {grace.email}", subject=str(uuid4()), **given)
    model, payment = Model.objects.order_by("id")[0], Payment.objects.filter(refunded_minor__gt=0).order_by("id")[0]
    first = model.current
    assert first is not None, "the catalogue is seeded"
    written = versions.restore(first, by=grace)
    acts: tuple[tuple[Any, Any], ...] = (
        (payment, f"Refunded ${payment.refunded_minor / 100:.2f}"),
        (model, f"Brought version {first.number} back as version {written.number}."),
        (model, [{"changed": {"fields": ["Position"], "values": [["position", "3", "1"]]}}]),
    )
    for row, done in acts:
        LogEntry.objects.log_actions(grace.pk, [row], CHANGE, done, single_object=True)
    for days in (21, 10, 9, 3):
        earlier = Reconciliation.objects.create(
            kind=Reconciliation.Kind.BOOKS, began_at=now - timedelta(days=days), finished_at=now - timedelta(days=days)
        )
        for number in range(1 + days % 3):
            Mismatch.objects.create(reconciliation=earlier, subject=f"pi_{number}", detail="A refund.", is_mended=True)
    LiabilityDay.objects.bulk_create(
        LiabilityDay(day=now.date() - timedelta(days=days), currency="usd", unspent_minor=168_300 - 2_900 * days)
        for days in range(1, 30)
    )
    FeeDay.objects.bulk_create(
        FeeDay(day=now.date() - timedelta(days=days), currency="usd", fee_minor=60 + 37 * (days % 4))
        for days in range(1, 36)
    )
    late = Subscription.objects.filter(workspace=workspaces[1].id)
    late.update(status="past_due", past_due_since=now - timedelta(days=2), failed_attempts=1)
    look = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS, finished_at=now, checked=36)
    Mismatch.objects.create(reconciliation=look, subject="pi_lifelike3", detail="Stripe has 39.00 USD, we have 19.00.")
    endpoint = Endpoint.objects.create(
        workspace=workspaces[0],
        name="production",
        url="https://hooks.example.org/loremotion",
        event_types=["video.completed"],
        sealed_secret="none",
        secret_hint="…7f2c",
        failures=24,
        failing_since=now - timedelta(days=3),
    )
    clips = Generation.objects.filter(workspace=workspaces[0], finished_at__isnull=False).order_by("-created_at")[:8]
    for number, clip in reversed([*enumerate(clips)]):
        is_dead = number < 2  # the newest, as its endpoint says
        finished = clip.finished_at or now
        ended = finished + timedelta(seconds=2)
        Delivery.objects.create(
            endpoint=endpoint,
            event_id=f"evt_{clip.id.hex}",
            event_type="video.completed",
            video_id=clip.id,
            state="dead" if is_dead else "sent",
            attempts=12 if is_dead else 1,
            last_status=503 if is_dead else 200,
            last_error="The endpoint answered 503." if is_dead else "",
            created_at=finished,
            ended_at=ended,
            expires_at=now,
        )
        MailMessage.objects.create(
            workspace=workspaces[0],
            user=ada,
            content=CLIP_ENDED,
            about=clip.id,
            occasion=f"ready:{clip.id}"[:60],
            state="dead" if number == 5 else "sent",
            last_error="550 no such mailbox" if number == 5 else "",
            attempts=1,
            created_at=finished,
            ended_at=ended,
            expires_at=now,
        )


def _another_of_staff() -> Any:
    """Return a second member of the staff, so that what takes two can be decided."""
    return person("grace.staff@example.org", is_staff=True)
