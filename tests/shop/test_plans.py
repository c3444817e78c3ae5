"""What a workspace is entitled to follows from what it pays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from billing import ledger
from billing.plans import entitlements
from billing.shop.models import Plan, Price, Subscription

pytestmark = pytest.mark.django_db


def subscribed(plan: str, status: str = "active", *, account: UUID | None = None, **fields: Any) -> Subscription:
    now = timezone.now()
    account = account or uuid4()
    return Subscription.objects.create(
        workspace=account,
        account=account,
        price=Price.objects.get(plan__slug=plan, interval="month", currency="usd"),
        stripe_subscription_id=f"sub_{uuid4().hex}",
        status=status,
        period_start=now,
        period_end=now + timedelta(days=30),
        **fields,
    )


def test_whoever_pays_nothing_gets_the_free_row() -> None:
    Plan.objects.filter(slug="free").update(open_clips=2, retention_days=9)
    found = entitlements(uuid4())
    assert (found.plan, found.open_clips, found.retention_days, found.watermark) == ("free", 2, 9, True)
    assert not found.is_paid
    assert entitlements(None) == found


def test_a_site_without_a_free_row_still_serves() -> None:
    Plan.objects.filter(slug="free").delete()
    assert entitlements(uuid4()).watermark
    assert entitlements(uuid4()).priority_weight == 1


def test_a_subscription_brings_its_plan() -> None:
    found = entitlements(subscribed("studio").workspace)
    assert (found.plan, found.monthly_credits, found.members, found.is_paid) == ("studio", 5_500, 5, True)
    assert not found.watermark


def test_who_pays_may_have_more_open_by_their_share_of_the_queue_and_never_less_than_the_row_says() -> None:
    studio = subscribed("studio").workspace
    assert entitlements(studio).open_clips == 1_200
    Plan.objects.filter(slug="studio").update(open_clips=1_500)
    assert entitlements(studio).open_clips == 1_500


def test_the_best_of_two_plans_counts() -> None:
    account = subscribed("studio").workspace
    subscribed("creator", account=account)
    assert entitlements(account).plan == "studio"


@pytest.mark.parametrize("status", ["canceled", "incomplete", "incomplete_expired", "unpaid", "paused"])
def test_a_subscription_that_is_over_or_never_began_brings_nothing(status: str) -> None:
    assert entitlements(subscribed("studio", status).workspace).plan == "free"


def test_a_late_payment_keeps_the_plan_for_the_grace_and_no_longer() -> None:
    late = subscribed("studio", "past_due", past_due_since=timezone.now() - timedelta(days=6))
    assert entitlements(late.workspace).plan == "studio"
    Subscription.objects.update(past_due_since=timezone.now() - timedelta(days=8))
    assert entitlements(late.workspace).plan == "free"


def test_bought_credits_without_a_plan_count_as_paid_until_they_are_spent() -> None:
    account = uuid4()
    ledger.grant(account=account, reference="order:1", amount=500, kind=ledger.LotKind.PACK)
    found = entitlements(account)
    assert (found.plan, found.is_paid, found.watermark) == ("free", True, False)
    assert found.open_clips == 200  # a batch may wait in the queue; each of its clips holds its price
    ledger.clawback(reference="order:1", target=500)
    assert entitlements(account).open_clips == 3
    assert not entitlements(account).is_paid
