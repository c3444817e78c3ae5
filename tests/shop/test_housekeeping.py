"""The beat's part: whatever is due reaches the clerk, at its own pace, and only while something is sold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import django_rq
import pytest
import redis
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from billing.shop import housekeeping, inbox, jobs, ordering
from billing.shop.models import Budget, Order, StripeEvent
from tests.shop.desk import Desk, balance, pack_price

Sweep = Callable[[], list[str]]


@pytest.fixture
def sweep(valkey: redis.Redis, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Sweep:
    """One round of the beat, and the jobs that the clerk then has."""

    def once() -> list[str]:
        queue = django_rq.get_queue(inbox.QUEUE)
        queue.empty()
        with django_capture_on_commit_callbacks(execute=True):
            housekeeping.sweep()
        return sorted(job.func_name.rsplit(".", 1)[1] for job in queue.jobs)

    return once


def test_each_comparison_is_asked_for_once_in_its_time(desk: Desk, sweep: Sweep) -> None:
    assert sweep() == ["compare_books", "read_events"]
    assert sweep() == []


def test_where_nothing_is_sold_stripe_is_left_alone(db: None, sweep: Sweep, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    assert sweep() == []


def test_events_that_were_forgotten_are_handed_over_again(desk: Desk, sweep: Sweep) -> None:
    account = uuid4()
    desk.pay(desk.order(account, pack_price()))
    for event in desk.collected():
        desk.deliver(event)
    StripeEvent.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert "work_on_event" in sweep()
    for event_id in StripeEvent.objects.values_list("event_id", flat=True):
        jobs.work_on_event(event_id)
    assert balance(account) == (500, 0, 0)
    assert "work_on_event" not in sweep()


def test_an_order_whose_end_nobody_told_us_is_looked_after(desk: Desk, sweep: Sweep) -> None:
    paid, left = desk.order(uuid4(), pack_price()), desk.order(uuid4(), pack_price())
    never_sent = ordering.order(order_id=uuid4(), workspace=uuid4(), price=pack_price(), actor="")
    desk.pay(paid)
    desk.stripe.advance(days=2)
    Order.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert sweep().count("look_after_order") == 2
    for order in (paid, left):
        jobs.look_after_order(str(order.id))
    states = {order.id: order.state for order in Order.objects.all()}
    assert states == {paid.id: "paid", left.id: "closed", never_sent.id: "closed"}
    assert balance(paid.workspace) == (500, 0, 0)


def test_what_was_done_long_ago_is_forgotten_and_what_is_dead_is_not(desk: Desk, sweep: Sweep) -> None:
    desk.buy(uuid4())
    dead = StripeEvent.objects.create(event_id="evt_dead", type="invoice.paid", object_id="in_1", state="dead")
    StripeEvent.objects.update(received_at=timezone.now() - timedelta(days=90))
    StripeEvent.objects.filter(state="done").update(done_at=timezone.now() - timedelta(days=61))
    sweep()
    assert list(StripeEvent.objects.all()) == [dead]


def test_letters_are_handed_to_the_clerk(desk: Desk, sweep: Sweep) -> None:
    account = uuid4()
    desk.buy(account)
    Budget.objects.create(workspace=account, warn_below_credits=9_999)
    assert "warn_of_low_balance" in sweep()
