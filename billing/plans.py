"""What a workspace may do by what it pays: the one question that the rest of the site asks about plans."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from billing.models import Lot
from billing.shop.models import Plan, Subscription


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


def entitlements(account: UUID | None) -> Entitlements:
    """What ``account`` may do now: its best live plan, else what is free. None is a newcomer. At most 3 queries."""
    subscribed = _plan_of(account)
    plan = subscribed or Plan.objects.filter(slug=Plan.FREE).first() or Plan(slug=Plan.FREE, has_watermark=True)
    is_paid = subscribed is not None or _has_bought_credits(account)
    return Entitlements(
        plan=plan.slug,
        priority_weight=plan.priority_weight,
        open_clips=plan.open_clips,
        retention_days=plan.retention_days,
        watermark=plan.has_watermark and not is_paid,
        members=plan.members,
        is_paid=is_paid,
        monthly_credits=plan.monthly_credits,
    )


def seats(account: UUID) -> int:
    """Members that the plan of ``account`` has room for; see settings.WORKSPACE_SEATS."""
    return entitlements(account).members


def _plan_of(account: UUID | None) -> Plan | None:
    if account is None:
        return None
    live = Subscription.objects.of(account).live().order_by("-price__plan__priority_weight", "-price__plan__position")
    subscription = live.first()
    return subscription.plan if subscription is not None else None


def _has_bought_credits(account: UUID | None) -> bool:
    return account is not None and Lot.objects.filter(account=account, kind="pack", has_remaining=True).exists()
