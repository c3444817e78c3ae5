"""What a workspace may do by what it pays: the one question that the rest of the site asks about plans."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, Subquery

from billing.models import Lot
from billing.shop.models import Budget, Plan, Subscription


@dataclass(frozen=True, slots=True)
class Entitlements:
    """What comes with a workspace's plan.

    ``is_paid`` says that there is a live subscription, or that bought credits are left: whoever paid gets no watermark
    and may use models for payers, with or without a plan.
    """

    plan: str
    priority_weight: int
    open_clips: int
    retention_days: int
    watermark: bool
    members: int
    is_paid: bool
    monthly_credits: int
    monthly_cap_credits: int | None
    """What its own people let it spend in a month; None without a cap."""


def entitlements(account: UUID | None) -> Entitlements:
    """What ``account`` may do now: its best live plan, else what is free. None is a newcomer. One query."""
    live = Subscription.objects.live().filter(Q(workspace=account), price__plan=OuterRef("id"))
    bought = Lot.objects.filter(account=account, kind="pack", has_remaining=True)
    cap = Budget.objects.filter(Q(workspace=account)).values("monthly_cap_credits")
    plans = Plan.objects.annotate(is_subscribed=Exists(live), has_bought=Exists(bought), cap=Subquery(cap))
    best = plans.filter(Q(slug=Plan.FREE) | Q(is_subscribed=True))
    found = best.order_by("-is_subscribed", "-priority_weight", "-position").first()
    plan = found or Plan(slug=Plan.FREE, has_watermark=True)
    is_paid = found.is_subscribed or found.has_bought if found is not None else bought.exists()
    return Entitlements(
        plan=plan.slug,
        priority_weight=plan.priority_weight,
        open_clips=plan.open_clips_of_payers if is_paid else plan.open_clips,
        retention_days=plan.retention_days,
        watermark=plan.has_watermark and not is_paid,
        members=plan.members,
        is_paid=is_paid,
        monthly_credits=plan.monthly_credits,
        monthly_cap_credits=found.cap if found is not None else cap.values_list(flat=True).first(),
    )


def seats(account: UUID) -> int:
    """Members that the plan of ``account`` has room for; see settings.WORKSPACE_SEATS."""
    return entitlements(account).members
