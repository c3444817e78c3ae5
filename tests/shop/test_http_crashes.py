"""A process may die before any request to Stripe and over any answer. The same form sent again finishes what it began,
once; and if nobody sends it, post and beat alone bring our side to what Stripe says.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
import stripe as library
from django.utils import timezone

from billing.shop import convergence, gateway, inbox, ordering, reconcile, refunds, subscribing
from billing.shop.models import Customer, Order, Payment, StripeEvent, Subscription
from loremotion.refusals import Conflict
from tests.patience import PATIENCE_SECONDS
from tests.shop.shop_steps import BACK, ShopSteps, balance, pack_price, plan_price


class Died(BaseException):
    """The process is gone: no handler of ours sees this."""


class Mortal(library.RequestsClient):
    """Asks Stripe so many things, and dies over the next: ``before`` it is asked, or ``after`` it was answered."""

    def __init__(self, lives: int, moment: str) -> None:
        super().__init__(timeout=PATIENCE_SECONDS)
        self._lives = lives
        self._moment = moment

    def request(self, *arguments: Any, **options: Any) -> Any:
        self._lives -= 1
        if self._lives < 0 and self._moment == "before":
            raise Died
        answer = super().request(*arguments, **options)
        if self._lives < 0:
            raise Died
        return answer


Act = Callable[[], None]


def ordering_a_plan(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    form, account = uuid4(), uuid4()

    def act() -> None:
        order = ordering.order(order_id=form, workspace=account, price=plan_price("creator"), actor="")
        ordering.pay_page(order, email="buyer@site.test", back=BACK)

    def end() -> Any:
        kinds = ("customer", "price", "checkout.session")
        ids = {customer["id"] for customer in shop_steps.stripe.objects("customer")}
        assert {customer.stripe_customer_id for customer in Customer.objects.filter(workspace=account)} == ids
        return [len(shop_steps.stripe.objects(kind)) for kind in kinds], Order.objects.filter(workspace=account).count()

    return act, end


def ordering_another_plan(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    """While the page of the first is open."""
    form, account = uuid4(), uuid4()
    first = shop_steps.order(account, plan_price("creator"))

    def act() -> None:
        order = ordering.order(order_id=form, workspace=account, price=plan_price("studio"), actor="")
        ordering.pay_page(order, email="buyer@site.test", back=BACK)

    def end() -> Any:
        sessions = {one["id"]: one["status"] for one in shop_steps.stripe.objects("checkout.session")}
        return sessions.pop(first.stripe_session_id or ""), list(sessions.values())

    return act, end


def ordering_another_plan_after_paying(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    """Before the site has heard of the payment."""
    form, account = uuid4(), uuid4()
    shop_steps.pay(shop_steps.order(account, plan_price("creator")))

    def act() -> None:
        with suppress(Conflict):
            order = ordering.order(order_id=form, workspace=account, price=plan_price("studio"), actor="")
            ordering.pay_page(order, email="buyer@site.test", back=BACK)

    def end() -> Any:
        shop_steps.carry_all()
        return len(shop_steps.stripe.objects("checkout.session")), balance(account)

    return act, end


def upgrading(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    return _changing(shop_steps, "creator", "studio")


def downgrading(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    return _changing(shop_steps, "studio", "creator")


def _changing(shop_steps: ShopSteps, before: str, after: str) -> tuple[Act, Callable[[], Any]]:
    account, attempt = uuid4(), uuid4()
    order = shop_steps.order(account, plan_price(before))
    shop_steps.pay(order)
    convergence.converge_order(order.id)

    def act() -> None:
        subscribing.change(workspace=account, price=plan_price(after), attempt=attempt)

    def end() -> Any:
        shop_steps.carry(event for event in shop_steps.collected() if event["type"] == "invoice.paid")
        subscription = Subscription.objects.get(workspace=account)
        schedules = [
            one
            for one in shop_steps.stripe.objects("subscription_schedule")
            if one["status"] == "active" and len(one["phases"]) > 1  # with one phase it changes nothing
        ]
        charges = len(shop_steps.stripe.objects("charge"))
        later = subscription.next_price.item.name if subscription.next_price is not None else ""
        return subscription.plan.slug, later, len(schedules), charges, balance(account)[0]

    return act, end


def refunding(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    shop_steps.pay(order)
    convergence.converge_order(order.id)
    attempt = uuid4()

    def act() -> None:
        payment = Payment.objects.get(order=order)
        refunds.refund(
            payment, amount_minor=200, attempt=attempt, after_refunds=0, actor="staff", reason="asked for it"
        )

    def end() -> Any:
        return (
            len(shop_steps.stripe.objects("refund")),
            balance(account),
            Payment.objects.get(order=order).refunded_minor,
        )

    return act, end


def fulfilling(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    shop_steps.pay(order)

    def act() -> None:
        convergence.converge_order(order.id)

    return act, lambda: (balance(account), Payment.objects.filter(workspace=account).count())


def following_an_event(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    """Of a refund, which leads to the payment first and from there to the session."""
    account = uuid4()
    session = shop_steps.pay(shop_steps.order(account, pack_price()))
    shop_steps.stripe.refund(session["payment_intent"], 200)
    [event] = [event for event in shop_steps.collected() if event["type"] == "refund.created"]
    shop_steps.deliver(event)

    def act() -> None:
        StripeEvent.objects.update(due_at=timezone.now())  # the lease of whoever died has run out
        inbox.work_on(event["id"])

    return act, lambda: (balance(account), StripeEvent.objects.get(event_id=event["id"]).state)


def reading_events(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    account = uuid4()
    shop_steps.pay(shop_steps.order(account, pack_price()))

    def act() -> None:
        reconcile.read_events()
        StripeEvent.objects.update(due_at=timezone.now())  # the lease of whoever died has run out
        shop_steps.work()

    return act, lambda: (balance(account), Payment.objects.filter(workspace=account).count())


def comparing_books(shop_steps: ShopSteps) -> tuple[Act, Callable[[], Any]]:
    """A pack that nobody told of, a month that was refunded without a word."""
    account, member = uuid4(), uuid4()
    shop_steps.pay(shop_steps.order(account, pack_price()))
    order = shop_steps.order(member, plan_price("creator"))
    shop_steps.pay(order)
    convergence.converge_order(order.id)
    shop_steps.stripe.refund(Payment.objects.get(workspace=member).stripe_payment_intent_id or "", 600)

    def act() -> None:
        reconcile.compare_books()

    return act, lambda: (balance(account), balance(member))


EXPECTED: dict[Callable[[ShopSteps], tuple[Act, Callable[[], Any]]], Any] = {
    ordering_a_plan: ([1, 1, 1], 1),
    ordering_another_plan: ("expired", ["open"]),
    ordering_another_plan_after_paying: (1, (1_500, 0, 0)),
    upgrading: ("studio", "", 0, 2, 1_500 + 5_500),
    downgrading: ("studio", "Creator", 1, 1, 5_500),
    refunding: (1, (300, 0, 0), 200),
    fulfilling: ((500, 0, 0), 1),
    following_an_event: ((300, 0, 0), "done"),
    reading_events: ((500, 0, 0), 1),
    comparing_books: ((500, 0, 0), (750, 0, 0)),
}
UNTOUCHED: dict[Callable[[ShopSteps], tuple[Act, Callable[[], Any]]], Any] = {
    upgrading: ("creator", "", 0, 1, 1_500),
    downgrading: ("studio", "", 0, 1, 5_500),
    refunding: (0, (500, 0, 0), 0),
}
"""Where nobody but the person who sent a form can say that it is still wanted, this is as good an end."""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "what", [flow for flow in EXPECTED if flow is not comparing_books], ids=lambda one: one.__name__
)
def test_dying_at_any_request_leaves_what_the_same_form_finishes(
    shop_steps: ShopSteps,
    what: Callable[[ShopSteps], tuple[Act, Callable[[], Any]]],
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    act, end = what(shop_steps)
    survived = 0
    for lives in itertools.count():
        with shop_steps.undone():
            is_dead = _dies(shop_steps, act, Mortal(lives, moment), monkeypatch)
            act()  # the same form, by a process that lives
            assert (lives, end()) == (lives, EXPECTED[what])
        if not is_dead:
            break
        survived += 1
    assert survived >= 3


def test_dying_before_any_request_of_the_night_s_comparison_leaves_it_to_the_next(
    shop_steps: ShopSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, end = comparing_books(shop_steps)
    for lives in itertools.count():
        with shop_steps.undone():
            is_dead = _dies(shop_steps, act, Mortal(lives, "before"), monkeypatch)
            act()
            assert (lives, end()) == (lives, EXPECTED[comparing_books])
        if not is_dead:
            break
    assert lives > 10


@pytest.mark.parametrize("what", [*UNTOUCHED, fulfilling], ids=lambda flow: flow.__name__)
def test_dying_before_any_request_leaves_what_post_and_beat_bring_to_what_stripe_says(
    shop_steps: ShopSteps, what: Callable[[ShopSteps], tuple[Act, Callable[[], Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    act, end = what(shop_steps)
    ends = set()
    for lives in itertools.count():
        with shop_steps.undone():
            is_dead = _dies(shop_steps, act, Mortal(lives, "before"), monkeypatch)
            reconcile.read_events()
            shop_steps.work()
            comparison = reconcile.compare_books()
            assert comparison is not None
            assert list(comparison.mismatches.values_list("subject", "detail")) == []
            ends.add(end())
        if not is_dead:
            break
    assert ends <= {EXPECTED[what], UNTOUCHED.get(what, EXPECTED[what])}
    assert EXPECTED[what] in ends


def _dies(shop_steps: ShopSteps, act: Act, client: Mortal, monkeypatch: pytest.MonkeyPatch) -> bool:
    mortal = library.StripeClient(
        "sk_test_imitation", base_addresses={"api": shop_steps.stripe.url}, max_network_retries=0, http_client=client
    )
    with monkeypatch.context() as patch:
        patch.setattr(gateway, "_client", lambda key, base: mortal)
        try:
            act()
        except Died:
            return True
    return False
