"""The beat's part: whatever is due reaches the workers, at its own pace, and only while something is sold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.core.cache import cache
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Workspace
from billing.shop import housekeeping, inbox, jobs, ordering
from billing.shop.models import Order, StripeEvent, Subscription
from loremotion import queues
from tests.shop.shop_steps import ShopSteps, balance, pack_price, plan_price

Sweep = Callable[[], list[str]]


@pytest.fixture
def sweep(valkey: redis.Redis, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Sweep:
    """One round of the beat, and the jobs that workers then have."""

    def once() -> list[str]:
        queue = queues.queue(inbox.QUEUE)
        queue.empty()
        with django_capture_on_commit_callbacks(execute=True):
            housekeeping.sweep()
        return sorted(job.func_name.rsplit(".", 1)[1] for job in queue.jobs)

    return once


def test_each_comparison_is_asked_for_once_in_its_time(shop_steps: ShopSteps, sweep: Sweep) -> None:
    assert sweep() == ["compare_books", "count_liability", "read_events"]
    assert sweep() == []


def test_where_nothing_is_sold_stripe_is_left_alone(db: None, sweep: Sweep, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    assert sweep() == []


def test_what_is_owed_is_counted_after_the_selling_has_ended(
    shop_steps: ShopSteps, sweep: Sweep, settings: Settings
) -> None:
    shop_steps.buy(uuid4())
    settings.STRIPE_SECRET_KEY = ""
    assert sweep() == ["count_liability"]
    assert sweep() == []


def test_events_that_were_forgotten_are_handed_over_again(shop_steps: ShopSteps, sweep: Sweep) -> None:
    account = uuid4()
    shop_steps.pay(shop_steps.order(account, pack_price()))
    for event in shop_steps.collected():
        shop_steps.deliver(event)
    StripeEvent.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert "work_on_event" in sweep()
    for event_id in StripeEvent.objects.values_list("event_id", flat=True):
        jobs.work_on_event(event_id)
    assert balance(account) == (500, 0, 0)
    assert "work_on_event" not in sweep()


def test_an_order_whose_end_nobody_told_us_is_looked_after(shop_steps: ShopSteps, sweep: Sweep) -> None:
    paid, left = shop_steps.order(uuid4(), pack_price()), shop_steps.order(uuid4(), pack_price())
    never_sent = ordering.order(order_id=uuid4(), workspace=uuid4(), price=pack_price(), actor="")
    shop_steps.pay(paid)
    shop_steps.stripe.advance(days=2)
    Order.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert sweep().count("look_after_order") == 2
    for order in (paid, left):
        jobs.look_after_order(str(order.id))
    states = {order.id: order.state for order in Order.objects.all()}
    assert states == {paid.id: "paid", left.id: "closed", never_sent.id: "closed"}
    assert balance(paid.workspace) == (500, 0, 0)


def test_what_was_done_long_ago_is_forgotten_and_what_is_dead_is_not(shop_steps: ShopSteps, sweep: Sweep) -> None:
    shop_steps.buy(uuid4())
    dead = StripeEvent.objects.create(event_id="evt_dead", type="invoice.paid", object_id="in_1", state="dead")
    StripeEvent.objects.update(received_at=timezone.now() - timedelta(days=90))
    StripeEvent.objects.filter(state="done").update(ended_at=timezone.now() - timedelta(days=61))
    sweep()
    assert list(StripeEvent.objects.all()) == [dead]


# --- whom nobody can help keeps nobody waiting ---------------------------------------------------------------------


def rounds_until(sweep: Sweep, job: str, argument: object) -> int:
    """How many rounds of the beat it takes until a worker is asked for this. Fails if it is never."""
    for count in range(1, 200):
        cache.clear()
        sweep()
        queue = queues.queue(inbox.QUEUE)
        if any((one.func_name, one.args) == (f"billing.shop.jobs.{job}", [argument]) for one in queue.jobs):
            return count
    raise AssertionError(f"{job} was never asked for {argument}")


def test_orders_that_stay_stale_for_ever_do_not_stand_before_the_others(
    shop_steps: ShopSteps, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 1)
    long_ago = timezone.now() - timedelta(days=2)
    for number in range(2):  # nobody will ever say what became of these
        Order.objects.create(
            workspace=uuid4(), account=uuid4(), price=pack_price(), credits=1, created_at=long_ago,
            stripe_session_id=f"cs_unknown_{number}",
        )  # fmt: skip
    waiting = shop_steps.order(uuid4(), pack_price())
    Order.objects.filter(id=waiting.id).update(created_at=timezone.now() - timedelta(hours=26))
    assert rounds_until(sweep, "look_after_order", str(waiting.id))


def test_a_plan_that_was_not_ended_with_its_workspace_is_ended_later(
    shop_steps: ShopSteps, sweep: Sweep, settings: Settings
) -> None:
    closed, open_one = (Workspace.objects.create(kind=Workspace.Kind.TEAM, name="Studio") for _ in range(2))
    gone = uuid4()
    for account in (closed.id, open_one.id, gone):
        shop_steps.subscribe(account)
    Workspace.objects.filter(id=closed.id).update(closed_at=timezone.now())
    address, settings.STRIPE_API_BASE = settings.STRIPE_API_BASE, "http://127.0.0.1:9"  # Stripe is away
    jobs.end_subscriptions(str(closed.id))
    settings.STRIPE_API_BASE = address
    assert sweep().count("end_subscriptions") == 2
    for account in (closed.id, gone):
        jobs.end_subscriptions(str(account))
    goes_on = Subscription.objects.filter(ends_at=None)
    assert [subscription.workspace for subscription in goes_on] == [open_one.id]
    cache.clear()
    assert "end_subscriptions" not in sweep()


def test_one_plan_that_cannot_be_ended_keeps_no_other_from_it(shop_steps: ShopSteps) -> None:
    account = uuid4()
    shop_steps.subscribe(account)
    Subscription.objects.create(
        workspace=account, account=account, price=plan_price("creator"), stripe_subscription_id="sub_unknown",
        status="active", period_start=timezone.now(), period_end=timezone.now() + timedelta(days=90),
    )  # fmt: skip
    jobs.end_subscriptions(str(account))
    assert Subscription.objects.filter(ends_at=None).values_list("stripe_subscription_id", flat=True).get() == (
        "sub_unknown"
    )
