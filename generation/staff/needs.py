"""What waits for staff: each thing counted up to a bound, shown to whoever may look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import redis
from django.contrib.auth.models import PermissionsMixin
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from billing.models import Proposal
from billing.shop.models import Mismatch, StripeEvent
from catalog.models import Model
from generation.models import Generation, State
from generation.moderation.models import Review
from generation.notices.models import Notice
from generation.scheduling import capacity
from generation.staff import catalogue
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage
from loremotion.outbox.models import State as MailState
from loremotion.read_through import get_or_make

LATELY: Final = timedelta(days=7)
MOST_COUNTED: Final = 1000
"""Of what waits: a list that long is no number any more, and counting on would grow with it."""
LEAST_MARGIN: Final = 0.0
MODELS_KEPT_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for staff."""

    one: str
    many: str
    count: int
    address: str

    @property
    def may_be_more(self) -> bool:
        """Whether counting ended at its bound."""
        return self.count == MOST_COUNTED


@dataclass(frozen=True, slots=True)
class _Kind:
    one: str
    many: str
    permission: str
    page: str
    rows: Callable[[datetime], QuerySet[Any]]
    query: str = ""


_KINDS: Final = (
    _Kind(
        *("report to decide", "reports to decide", "notices.view_notice", "notices_notice_changelist"),
        lambda _: Notice.objects.waiting(),
    ),
    _Kind(
        *("prompt to review", "prompts to review", "moderation.view_review", "moderation_review_changelist"),
        lambda _: Review.objects.waiting(),
    ),
    _Kind(
        *("proposal to approve or refuse", "proposals to approve or refuse"),
        *("billing.view_proposal", "billing_proposal_changelist"),
        lambda _: Proposal.objects.waiting(),
    ),
    _Kind(
        *("difference with Stripe", "differences with Stripe"),
        *("shop.view_reconciliation", "shop_reconciliation_changelist"),
        lambda _: Mismatch.objects.open(),
    ),
    _Kind(
        *("Stripe event that failed", "Stripe events that failed"),
        *("shop.view_stripeevent", "shop_stripeevent_changelist"),
        lambda lately: StripeEvent.objects.filter(state=StripeEvent.State.DEAD, received_at__gte=lately),
        "?state__exact=dead",
    ),
    _Kind(
        *("mail that could not be delivered", "mails that could not be delivered"),
        *("outbox.view_mailmessage", "outbox_mailmessage_changelist"),
        lambda lately: MailMessage.objects.filter(state=MailState.DEAD, ended_at__gte=lately).exclude(last_error=""),
        "?state__exact=dead",
    ),
    _Kind(
        *("webhook endpoint that fails", "webhook endpoints that fail"),
        *("webhooks.view_endpoint", "webhooks_endpoint_changelist"),
        lambda _: Endpoint.objects.enabled().filter(failing_since__isnull=False),
        "?failing=yes",
    ),
    _Kind(
        *("webhook event that could not be delivered", "webhook events that could not be delivered"),
        *("webhooks.view_delivery", "webhooks_delivery_changelist"),
        lambda lately: Delivery.objects.filter(state=MailState.DEAD, ended_at__gte=lately),
        "?state__exact=dead",
    ),
)


def of(user: PermissionsMixin) -> list[Need]:
    """Return what waits for this member of staff, of what they may see."""
    lately, found = timezone.now() - LATELY, []
    if user.has_perm("generation.view_fleet") and (count := _unfit()):
        address = reverse("admin:generation_fleet") + "#queue"
        found.append(Need("queued clip that no GPU fits", "queued clips that no GPU fits", count, address))
    for kind in _KINDS:
        if user.has_perm(kind.permission) and (count := kind.rows(lately)[:MOST_COUNTED].count()):
            found.append(Need(kind.one, kind.many, count, reverse(f"admin:{kind.page}") + kind.query))
    return [*found, *_of_models(user)]


def _unfit() -> int:
    """Clips in the queue that need more than the largest GPU has; while none is on, those of the banner above."""
    try:
        budgets = capacity.taking_budgets()
    except redis.RedisError:
        return 0
    if not budgets:
        return 0
    return Generation.objects.filter(state=State.QUEUED, needs_bytes__gt=budgets[-1])[:MOST_COUNTED].count()


def _of_models(user: PermissionsMixin) -> list[Need]:
    """Enabled models that never finished a clip, and those that cost more than they bring."""
    if not user.has_perm("catalog.view_model"):
        return []
    unrendered, losing = get_or_make("admin:models-to-look-at", _counted_models, seconds=MODELS_KEPT_SECONDS)
    address = reverse("admin:catalogue")
    never = ("enabled model without a finished render", "enabled models without a finished render")
    dear = ("enabled model that costs more than it brings", "enabled models that cost more than they bring")
    every = (Need(*never, unrendered, address), Need(*dear, losing, address))
    return [need for need in every if need.count]


def _counted_models() -> list[int]:
    rows = catalogue.rows_of(Model.objects.enabled().with_versions())
    losing = sum(row.margin is not None and row.margin < LEAST_MARGIN for row in rows)
    return [sum(not row.was_rendered for row in rows), losing]
