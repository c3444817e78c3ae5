"""What a workspace may do by what it pays: the one question that the rest of the site asks about plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from billing.shop.models import IS_LIVE_SQL, Plan, Subscription
from loremotion.prepared import send
from loremotion.table_rows import Columns


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
    daily_cap_credits: int | None = None
    """And in a day."""
    caps_by_item: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """And on one thing that it buys, as ``Budget.caps_by_item`` says it."""


_PLAN: Final = Columns(Plan, "plan")
_ASKED: Final = f"""
SELECT account.has_bought, account.caps, plan.is_subscribed, {_PLAN.sql}
FROM (
    SELECT
        EXISTS (
            SELECT FROM ledger_lot WHERE account_id = %(account)s AND kind = 'pack' AND has_remaining
        ) AS has_bought,
        (
            SELECT jsonb_build_array(daily_cap_credits, monthly_cap_credits, caps_by_item)
            FROM shop_budget WHERE workspace = %(account)s
        ) AS caps
) AS account LEFT JOIN LATERAL (
    SELECT plan.*, subscribed.plan_id IS NOT NULL AS is_subscribed
    FROM shop_plan plan LEFT JOIN (
        SELECT DISTINCT price.plan_id FROM shop_subscription subscription JOIN shop_price price
            ON price.id = subscription.price_id
        WHERE subscription.workspace = %(account)s AND ({IS_LIVE_SQL})
    ) AS subscribed ON subscribed.plan_id = plan.id
    WHERE plan.slug = %(free)s OR subscribed.plan_id IS NOT NULL
    ORDER BY subscribed.plan_id IS NULL, plan.priority_weight DESC, plan.position DESC LIMIT 1
) AS plan ON true
"""  # noqa: S608 - made of names of columns


def entitlements(account: UUID | None) -> Entitlements:
    """What ``account`` may do now: its best live plan, else what is free. None is a newcomer. One query."""
    return send_entitlements(account)()


def send_entitlements(account: UUID | None) -> Callable[[], Entitlements]:
    """Ask what ``account`` is entitled to, and return what tells that."""
    asked = {"account": account, "free": Plan.FREE, "late_since": timezone.now() - Subscription.GRACE}
    sent = send(_ASKED, asked)
    return lambda: _entitlements(*sent())


def _entitlements(has_bought: bool, caps: list[Any] | None, is_subscribed: bool | None, *row: Any) -> Entitlements:
    has_row = is_subscribed is not None  # staff may have deleted the free one
    plan = _PLAN.read(row) if has_row else Plan(slug=Plan.FREE, has_watermark=True)
    is_paid = bool(is_subscribed or has_bought)
    daily, monthly, by_item = caps or (None, None, None)
    return Entitlements(
        plan=plan.slug,
        priority_weight=plan.priority_weight,
        open_clips=plan.open_clips_of_payers if is_paid else plan.open_clips,
        retention_days=plan.retention_days,
        watermark=plan.has_watermark and not is_paid,
        members=plan.members,
        is_paid=is_paid,
        monthly_credits=plan.monthly_credits,
        daily_cap_credits=daily,
        monthly_cap_credits=monthly,
        caps_by_item=by_item or {},
    )


def seats(account: UUID) -> int:
    """Members that the plan of ``account`` has room for; see settings.WORKSPACE_SEATS."""
    return entitlements(account).members
