"""What waits for staff: each thing counted up to a bound, shown to whoever may look at it, what is broken first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import redis
from django.contrib.auth.models import PermissionsMixin
from django.db.models import Count, F, Max, Min, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils import timezone

from accounts import whose
from billing.models import Proposal
from billing.shop import disputes
from billing.shop.models import Mismatch, Payment, StripeEvent, Subscription
from catalog.models import Model
from generation.models import AWAITS_ANOTHER, Generation, State
from generation.moderation.models import Review
from generation.notices.models import Notice
from generation.scheduling import capacity
from generation.staff import late, model_rows
from generation.staff.need import MOST_COUNTED, Kind, Need
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage
from loremotion.outbox.models import State as MailState
from loremotion.read_through import get_or_make

LATELY: Final = timedelta(days=7)
STUCK_AFTER: Final = timedelta(minutes=30)
"""For so long clips wait for their turn on a GPU that makes long ones; later, somebody looks whether it takes any."""
MODELS_KEPT_SECONDS: Final = 60
COUNTS_KEPT_SECONDS: Final = 30
"""Of the list of pages, which every page of the admin shows; the first one counts anew."""


_SEND_AGAIN: Final = "Read why, then send it again."
_OPERATE: Final = ("generation.operate_fleet", "Tell Operations, who look after the GPU workers.")
_KINDS: Final = (
    Kind(
        *("clip handed to a GPU that has not begun it", "clips handed to GPUs that have not begun them"),
        *("generation.view_fleet", "generation_fleet"),
        lambda _: Generation.objects.filter(
            state=State.DISPATCHED, dispatched_at__lt=timezone.now() - STUCK_AFTER
        ).order_by(),
        "dispatched_at",
        "Look whether the GPU workers take clips; restart one that does not.",
        "#queue",
        *_OPERATE,
        is_broken=True,
        is_one=True,
    ),
    Kind(
        *("Stripe event that failed", "Stripe events that failed"),
        *("shop.view_stripeevent", "shop_stripeevent_changelist"),
        lambda lately: StripeEvent.objects.filter(state=StripeEvent.State.DEAD, received_at__gte=lately),
        "received_at",
        "Read why, then process it again: somebody may have paid.",
        "?state__exact=dead",
        is_broken=True,
        is_of_money=True,
    ),
    Kind(
        *("difference with Stripe", "differences with Stripe"),
        *("shop.view_reconciliation", "shop_reconciliation_changelist"),
        lambda _: Mismatch.objects.open(),
        "reconciliation__finished_at",
        "Compare the payment here and at Stripe.",
        stands_on=("shop_reconciliation_change", "reconciliation_id"),
        is_broken=True,
        is_of_money=True,
    ),
    Kind(
        *("dispute to answer", "disputes to answer", "shop.view_payment", "shop_payment_changelist"),
        lambda _: Payment.objects.filter(dispute_status__in=Payment.DISPUTES_TO_ANSWER),
        "paid_at",
        "Answer it at Stripe in time: unanswered it is lost.",
        "?disputed=to-answer",
        *(disputes.ANSWERING, f"{disputes.TELL_FINANCE}: unanswered it is lost."),
        is_of_money=True,
        says_since=False,
        due="dispute_due_at",
        whose="workspace",
        is_urgent=True,
    ),
    Kind(
        *("plan whose payment failed", "plans whose payment failed"),
        *("shop.view_subscription", "shop_subscription_changelist"),
        lambda _: Subscription.objects.filter(status="past_due", past_due_since__isnull=False),
        "past_due_since",
        "Stripe tries the card again and mails them; help those who write.",
        "?status=past_due",
        is_of_money=True,
        whose="workspace",
    ),
    Kind(
        *("mail that could not be delivered", "mails that could not be delivered"),
        *("outbox.view_mailmessage", "outbox_mailmessage_changelist"),
        lambda lately: MailMessage.objects.filter(state=MailState.DEAD, ended_at__gte=lately).exclude(last_error=""),
        "ended_at",
        _SEND_AGAIN,
        "?state__exact=dead",
        *("outbox.retry_mailmessage", "Read why; Operations can send it again."),
        is_broken=True,
    ),
    Kind(
        *("webhook endpoint that fails", "webhook endpoints that fail"),
        *("webhooks.view_endpoint", "webhooks_endpoint_changelist"),
        lambda _: Endpoint.objects.enabled().filter(failing_since__isnull=False),
        "failing_since",
        "The customer's server does not accept events: tell them.",
        "?failing=yes",
        *("accounts.view_workspace", "The customer's server does not accept events: Support can tell them."),
        is_broken=True,
        whose="workspace_id",
    ),
    Kind(
        *("webhook event that could not be delivered", "webhook events that could not be delivered"),
        *("webhooks.view_delivery", "webhooks_delivery_changelist"),
        lambda lately: Delivery.objects.filter(state=MailState.DEAD, ended_at__gte=lately),
        "ended_at",
        _SEND_AGAIN,
        "?state__exact=dead",
        *("webhooks.retry_delivery", "Read why; Operations can send it again."),
        is_broken=True,
        whose="endpoint__workspace_id",
    ),
    Kind(
        *("report to decide", "reports to decide", "notices.view_notice", "notices_notice_changelist"),
        lambda _: Notice.objects.waiting(),
        "created_at",
        "Keep the clip or take it down.",
    ),
    Kind(
        *("prompt to review", "prompts to review", "moderation.view_review", "moderation_review_changelist"),
        lambda _: Review.objects.waiting(),
        "created_at",
        "Allow the prompt or keep it refused.",
    ),
    Kind(
        *("proposal to approve or refuse", "proposals to approve or refuse"),
        *("billing.view_proposal", "billing_proposal_changelist"),
        lambda _: Proposal.objects.waiting(),
        "proposed_at",
        "Takes somebody other than whoever proposed it.",
        "",
        *("billing.decide_proposal", "Finance decides: somebody other than whoever proposed it."),
        is_of_money=True,
        begun_by="proposed_by",
        whose="account",
    ),
)


def of(user: PermissionsMixin) -> list[Need]:
    """Return what waits for this member of staff, of what they may see: what is broken first."""
    lately, found = timezone.now() - LATELY, []
    if user.has_perm("generation.view_fleet"):
        found += [*_unfit(), *_late()]
    for kind in _KINDS:
        if user.has_perm(kind.permission) and (need := _counted(kind, lately, user)).count:
            found.append(need)
    return _told([*found, *_of_models(user)], user)


def total(found: Sequence[Need]) -> int:
    """Return how many things wait for whoever looks, of what they can do. What models could do better is no such
    thing: nobody waits for it."""
    return sum(need.things for need in found if need.is_waited_for and not need.is_others)


def of_money(user: PermissionsMixin) -> list[Need]:
    """Return what waits for this member of staff that is about money: what is broken first."""
    lately = timezone.now() - LATELY
    kinds = [kind for kind in _KINDS if kind.is_of_money and user.has_perm(kind.permission)]
    return _told([need for kind in kinds if (need := _counted(kind, lately, user)).count], user)


def _told(found: Sequence[Need], user: PermissionsMixin) -> list[Need]:
    """``found`` as ``user`` reads it, with the names of customers for whoever may look them up."""
    told = sorted((need.told_to(user) for need in found), key=_order)
    ids = {need.workspace for need in found if need.workspace is not None}
    if not ids or not user.has_perm("accounts.view_workspace"):
        return told
    titles = whose.titles(ids)
    return [replace(need, whose=titles.get(need.workspace, "")) if need.workspace else need for need in told]


def _order(need: Need) -> tuple[bool, bool, bool]:
    """What whoever looks can do first; of that what is lost in time, then what is broken."""
    return need.is_others, not need.is_urgent, not need.is_broken


def by_page(user: PermissionsMixin) -> dict[str, int]:
    """Return address of a page → how many things wait there for this member of staff, as of a while ago: of what
    ``total`` counts."""
    counts = get_or_make("admin:waiting-for-whom", _every_count, seconds=COUNTS_KEPT_SECONDS)
    found: dict[str, int] = {}
    for permission, act, address, count, own in counts:
        if user.has_perm(permission) and (not act or user.has_perm(act)):
            found[address] = found.get(address, 0) + max(0, count - own.get(str(user.pk), 0))
    return found


def _every_count() -> list[list[Any]]:
    """Of whatever waits: the permissions to see it and to do it, its page, how many things it is, and how many of
    those whom cannot do."""
    lately = timezone.now() - LATELY
    each = [(kind.permission, _counted(kind, lately), kind.own(lately)) for kind in _KINDS]
    each += [("generation.view_fleet", need, {}) for need in (*_unfit(), *_late())]
    return [
        [permission, need.act, need.page or urlsplit(need.address).path, need.things, own]
        for permission, need, own in each
        if need.count
    ]


def _counted(kind: Kind, lately: datetime, user: PermissionsMixin | None = None) -> Need:
    """What waits of one kind, for ``user`` or for anybody, in one query. Past the bound the first that were counted
    need not be the oldest."""
    told: dict[str, Any] = {"waits_since": F(kind.since)}
    asked: dict[str, Any] = {"count": Count("pk"), "oldest": Min("waits_since")}
    if kind.due:
        told["is_due"], asked["due"] = F(kind.due), Min("is_due")
    if kind.stands_on:
        told["stands_on"], asked["row"] = F(kind.stands_on[1]), Max("stands_on")
    if kind.whose:
        told["of"] = Cast(F(kind.whose), TextField())  # an id as such has no least in PostgreSQL before 18
        asked |= {"of_first": Min("of"), "of_last": Max("of")}
    rows = kind.rows(lately)
    if kind.begun_by and user is not None:
        rows = rows.exclude(**{kind.begun_by: user.pk})
    found = rows.annotate(**told)[:MOST_COUNTED].aggregate(**asked)
    page = reverse(f"admin:{kind.page}")
    address = page + kind.query
    if kind.stands_on and found["row"] is not None:
        address = reverse(f"admin:{kind.stands_on[0]}", args=[found["row"]])
    return Need(
        *(kind.one, kind.many, found["count"], address),
        todo=kind.todo,
        act=kind.act,
        otherwise=kind.otherwise,
        oldest_at=found["oldest"] if found["count"] < MOST_COUNTED and kind.says_since else None,
        is_broken=kind.is_broken,
        due_at=found.get("due"),
        is_urgent=kind.is_urgent,
        is_one=kind.is_one,
        workspace=UUID(first) if (first := found.get("of_first")) and first == found["of_last"] else None,
        page=page,
    )


def _unfit() -> list[Need]:
    """Clips in the queue that need more than the largest GPU has; while none is on, those of the banner above."""
    try:
        budgets = capacity.taking_budgets()
    except redis.RedisError:
        return []
    if not budgets:
        return []
    unfit = Generation.objects.filter(state=State.QUEUED, needs_bytes__gt=budgets[-1], needs_bytes__lt=AWAITS_ANOTHER)
    kind = Kind(
        *("queued clip that no GPU fits", "queued clips that no GPU fits"),
        *("generation.view_fleet", "generation_fleet"),
        lambda _: unfit,
        "created_at",
        "Start a GPU with more memory, or cancel them.",
        "#queue",
        *_OPERATE,
        is_broken=True,
        is_one=True,
    )
    need = _counted(kind, timezone.now())
    return [need] if need.count else []


def _late() -> list[Need]:
    """Clips that take twice as long as they were said to, from one entry in Valkey however long the queue is."""
    missed = late.far()
    if not missed:
        return []
    return [
        Need(
            *("clip far beyond its forecast", "clips far beyond their forecast", len(missed)),
            *(
                reverse("admin:generation_generation_changelist") + "?trouble=late&when=any",
                f"{late.of_all(missed)} Look whether the GPU workers get on.",
            ),
            act=_OPERATE[0],
            otherwise=f"{late.of_all(missed)} {_OPERATE[1]}",
            is_broken=True,
            is_one=True,
        )
    ]


def _of_models(user: PermissionsMixin) -> list[Need]:
    """Enabled models that never finished a clip, and those that cost more than they bring."""
    if not user.has_perm("catalog.view_model"):
        return []
    unrendered, losing = get_or_make("admin:models-to-look-at", _counted_models, seconds=MODELS_KEPT_SECONDS)
    address = reverse("admin:catalogue")
    never = ("enabled model without a finished render", "enabled models without a finished render")
    dear = ("enabled model that costs more than it brings", "enabled models that cost more than they bring")
    catalogue: dict[str, Any] = {
        **{"act": "catalog.change_model", "otherwise": "Tell Catalogue, who decide about models."},
        "is_waited_for": False,
    }
    every = (
        Need(*never, unrendered, address, "Make a test render, or disable it.", **catalogue),
        Need(*dear, losing, address, "Raise its price, or make it faster.", **catalogue),
    )
    return [need for need in every if need.count]


def _counted_models() -> list[int]:
    rows = model_rows.rows_of(Model.objects.enabled().with_versions())
    losing = sum(row.is_losing for row in rows)
    return [sum(not row.was_rendered for row in rows), losing]
