"""A process may die at any statement and between any two; whoever comes after finishes, and nothing happens twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from billing import ledger
from billing.shop import convergence, inbox, ordering
from billing.shop.models import Lock, Payment, StripeEvent
from tests.fake_stripe.process import FakeStripeProcess
from tests.patience import PATIENCE_SECONDS
from tests.shop.shop_steps import BACK, ShopSteps, balance, lots, pack_price, plan_price


class Died(BaseException):
    """The process is gone: no handler of ours sees this."""


def dying_at(number: int) -> Callable[..., Any]:
    """A wrapper around statements that lets ``number`` of them through, and dies before the next."""
    left = iter(range(number))

    def wrapper(execute: Callable[..., Any], *arguments: Any) -> Any:
        if next(left, None) is None:
            raise Died
        return execute(*arguments)

    return wrapper


@pytest.mark.parametrize("what", ["pack", "plan", "refund"])
def test_dying_at_any_statement_leaves_work_that_the_next_clerk_finishes(shop_steps: ShopSteps, what: str) -> None:
    account = uuid4()
    session = shop_steps.pay(shop_steps.order(account, plan_price("creator") if what == "plan" else pack_price()))
    if what == "refund":
        shop_steps.carry_all()
        shop_steps.stripe.refund(session["payment_intent"], 200)
    wanted = {"pack": "checkout.session.completed", "plan": "invoice.paid", "refund": "refund.created"}[what]
    [event] = [event for event in shop_steps.collected() if event["type"] == wanted]
    shop_steps.deliver(event)
    expected = {"pack": (500, 0, 0), "plan": (1_500, 0, 0), "refund": (300, 0, 0)}[what]
    survived = 0
    while True:
        with transaction.atomic():
            if not dies(event["id"], at=survived):
                break
            # The claim and the locks of the dead worker lapse, and the beat hands the event over again.
            Lock.objects.update(lapses_at=timezone.now())
            StripeEvent.objects.exclude(state="done").update(state="new", due_at=timezone.now())
            shop_steps.work()
            assert (survived, balance(account)) == (survived, expected)
            assert Payment.objects.filter(workspace=account).count() == 1
            transaction.set_rollback(True)
        survived += 1
    assert survived > 10  # so many moments to die at there were


def dies(event_id: str, *, at: int) -> bool:
    """Whether working on the event dies, given so many statements. What was done outside a transaction stays done."""
    try:
        with connection.execute_wrapper(dying_at(at)):
            inbox.work_on(event_id)
    except Died:
        return True
    return False


def test_many_at_once_fulfil_one_order_once(transactional_db: None, stripe: FakeStripeProcess) -> None:
    shop_steps = ShopSteps(stripe)
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    session = shop_steps.pay(order)
    all_at_once([lambda: convergence.converge_order(order.id)] * 6)
    assert lots(account) == [("pack", 500, 500, 0)]
    shop_steps.stripe.refund(session["payment_intent"], 100)
    all_at_once([lambda: convergence.converge_payment_intent(session["payment_intent"])] * 6)
    assert balance(account) == (400, 0, 0)
    assert ledger.violations(limit=5) == []


def test_of_two_pages_for_a_plan_that_are_opened_at_once_one_is_shut(
    transactional_db: None, stripe: FakeStripeProcess
) -> None:
    """Neither is opened while the other one's id is not written down, and so could not be shut."""
    account = uuid4()
    orders = [
        ordering.order(order_id=uuid4(), workspace=account, price=plan_price(plan), actor="")
        for plan in ("creator", "studio", "house")
    ]
    all_at_once([partial(ordering.pay_page, order, email="", back=BACK) for order in orders])
    assert sorted(one["status"] for one in stripe.objects("checkout.session")) == ["expired", "expired", "open"]


def test_an_old_answer_never_overtakes_a_newer_one(
    transactional_db: None, stripe: FakeStripeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker has asked about a payment and is slow; meanwhile money goes back and another worker comes by."""
    shop_steps = ShopSteps(stripe)
    account = uuid4()
    order = shop_steps.order(account, pack_price())
    session = shop_steps.pay(order)
    asked, go_on = threading.Event(), threading.Event()
    settle = convergence._settle
    first: list[UUID] = []

    def slow(payment: Payment, *arguments: Any, **options: Any) -> None:
        if not first:
            first.append(uuid4())
            asked.set()
            assert go_on.wait(PATIENCE_SECONDS)
        settle(payment, *arguments, **options)

    monkeypatch.setattr(convergence, "_settle", slow)
    slow_clerk = in_thread(lambda: convergence.converge_order(order.id))
    assert asked.wait(PATIENCE_SECONDS)
    shop_steps.stripe.refund(session["payment_intent"])
    quick_clerk = in_thread(lambda: convergence.converge_order(order.id))
    quick_clerk.join(0.3)
    assert quick_clerk.is_alive()  # waits its turn, and asks only then
    go_on.set()
    slow_clerk.join(PATIENCE_SECONDS)
    quick_clerk.join(PATIENCE_SECONDS)
    assert balance(account) == (0, 0, 0)


def in_thread(act: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def all_at_once(acts: Sequence[Callable[[], object]]) -> None:
    for thread in [in_thread(act) for act in acts]:
        thread.join(PATIENCE_SECONDS)
