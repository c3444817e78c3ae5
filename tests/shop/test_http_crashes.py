"""A process may die over any answer of Stripe's; the same form sent again, and the post, finish what it began, once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import stripe as library
from django.db import transaction

from billing.shop import convergence, gateway, ordering, refunds, subscribing
from billing.shop.models import Customer, Order, Payment, Subscription
from tests.shop.desk import BACK, Desk, balance, pack_price, plan_price


class Died(BaseException):
    """The process is gone: no handler of ours sees this."""


class Mortal(library.RequestsClient):
    """Hears so many answers of Stripe's, and dies over the next."""

    def __init__(self, lives: int) -> None:
        super().__init__(timeout=20)
        self._lives = lives

    def request(self, *arguments: Any, **options: Any) -> Any:
        answer = super().request(*arguments, **options)
        self._lives -= 1
        if self._lives < 0:
            raise Died
        return answer


Act = Callable[[], None]


def ordering_a_plan(desk: Desk) -> tuple[Act, Callable[[], Any]]:
    form, account = uuid4(), uuid4()

    def act() -> None:
        order = ordering.order(order_id=form, workspace=account, price=plan_price("creator"), actor="")
        ordering.pay_page(order, email="buyer@site.test", back=BACK)

    def end() -> Any:
        kinds = ("customer", "price", "checkout.session")
        ids = {customer["id"] for customer in desk.stripe.objects("customer")}
        assert {customer.stripe_customer_id for customer in Customer.objects.filter(workspace=account)} == ids
        return [len(desk.stripe.objects(kind)) for kind in kinds], Order.objects.filter(workspace=account).count()

    return act, end


def upgrading(desk: Desk) -> tuple[Act, Callable[[], Any]]:
    return _changing(desk, "creator", "studio")


def downgrading(desk: Desk) -> tuple[Act, Callable[[], Any]]:
    return _changing(desk, "studio", "creator")


def _changing(desk: Desk, before: str, after: str) -> tuple[Act, Callable[[], Any]]:
    account, attempt = uuid4(), uuid4()
    order = desk.order(account, plan_price(before))
    desk.pay(order)
    convergence.converge_order(order.id)

    def act() -> None:
        subscribing.change(workspace=account, price=plan_price(after), attempt=attempt)

    def end() -> Any:
        desk.carry(event for event in desk.collected() if event["type"] == "invoice.paid")
        subscription = Subscription.objects.get(workspace=account)
        schedules = [one for one in desk.stripe.objects("subscription_schedule") if one["status"] == "active"]
        charges = len(desk.stripe.objects("charge"))
        later = subscription.next_price.item.name if subscription.next_price is not None else ""
        return subscription.plan.slug, later, len(schedules), charges, balance(account)[0]

    return act, end


def refunding(desk: Desk) -> tuple[Act, Callable[[], Any]]:
    account = uuid4()
    order = desk.order(account, pack_price())
    desk.pay(order)
    convergence.converge_order(order.id)
    payment = Payment.objects.get(order=order)

    def act() -> None:
        refunds.refund(payment, amount_minor=200, after_refunds=0, actor="staff", reason="asked for it")

    def end() -> Any:
        return len(desk.stripe.objects("refund")), balance(account), Payment.objects.get(id=payment.id).refunded_minor

    return act, end


def fulfilling(desk: Desk) -> tuple[Act, Callable[[], Any]]:
    account = uuid4()
    order = desk.order(account, pack_price())
    desk.pay(order)

    def act() -> None:
        convergence.converge_order(order.id)

    return act, lambda: (balance(account), Payment.objects.filter(workspace=account).count())


EXPECTED: dict[Callable[[Desk], tuple[Act, Callable[[], Any]]], Any] = {
    ordering_a_plan: ([1, 1, 1], 1),
    upgrading: ("studio", "", 0, 2, 1_500 + 5_500),
    downgrading: ("studio", "Creator", 1, 1, 5_500),
    refunding: (1, (300, 0, 0), 200),
    fulfilling: ((500, 0, 0), 1),
}


@pytest.mark.parametrize("what", EXPECTED, ids=lambda flow: flow.__name__)
def test_dying_at_any_request_leaves_what_the_same_form_finishes(
    desk: Desk, what: Callable[[Desk], tuple[Act, Callable[[], Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    survived = 0
    for lives in itertools.count():
        with transaction.atomic():
            desk.start_anew()
            act, end = what(desk)
            mortal = library.StripeClient(
                "sk_test_imitation",
                base_addresses={"api": desk.stripe.url},
                max_network_retries=0,
                http_client=Mortal(lives),
            )
            with monkeypatch.context() as patch:
                patch.setattr(gateway, "_client", lambda key, base: mortal)  # noqa: B023 - used within the round
                is_dead = _dies(act)
            act()  # the same form, by a process that lives
            assert (lives, end()) == (lives, EXPECTED[what])
            transaction.set_rollback(True)
        if not is_dead:
            break
        survived += 1
    assert survived >= 3


def _dies(act: Act) -> bool:
    try:
        act()
    except Died:
        return True
    return False
