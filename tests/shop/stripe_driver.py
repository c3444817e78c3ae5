"""Whoever is at the counter of Stripe: does there what people, banks and the passing of time would do.

Knows nothing but the API of test mode, so that api.stripe.com and the imitation get the same requests from the same
code and only the address differs; the imitation checks each against the types of stripe-python. A test that takes the
fixture ``stripe_driver`` or ``stripe_account`` therefore runs twice: against the imitation always, and against test
mode where STRIPE_TEST_KEY opens an account. What passes against the one and fails against the other is the imitation's
fault.

    STRIPE_TEST_KEY=sk_test_… python -m pytest tests/shop -k test-mode

What takes the fixture ``shop_steps``, or a process of its own, runs against the imitation alone:

- lost answers, errors that heal, events that are dropped, repeated and shuffled, a process that dies over a request,
  and the thirty days of all that (test_http_crashes, test_bad_post, test_simulation): Stripe does them to nobody on
  demand;
- signatures, rotated secrets, forged and thin deliveries (test_webhooks): they are made with the endpoint's secret, and
  Stripe cannot reach a test run to make its own;
- bank debits and taxes: an account must have been allowed them in the dashboard; debits take days besides;
- what an account's settings decide: after how many tries a plan is ended, when a payment is tried again;
- a pay page that expires by itself: Checkout knows no clock of test mode, and a day is long;
- disputes of what was refunded or spent before: test mode's card disputes the moment it has paid;
- statements and objects that contradict themselves (test_reconcile): Stripe's do not;
- sums over a whole account, and sets of events in every order: an account of test mode has a past, and each order of
  events would ask everything anew over the network; one such order is driven here all the same;
- the pay page as people see it (test_browser): its HTML is Stripe's own, and changes;
- pages, admin, plans, budgets, mail, statements that die (test_pages, test_admin, test_plans, test_housekeeping,
  test_crashes): they are about our side, and what they ask of Stripe is asked here too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import Settings

from billing.shop import gateway, inbox, lookups, reconcile
from billing.shop.models import Customer, Order, Payment, Price, Reconciliation, StripeEvent, Subscription
from tests.fake_stripe.process import FakeStripeProcess
from tests.patience import PATIENCE_SECONDS
from tests.shop.shop_steps import open_order, plan_price

STRIPE = "https://api.stripe.com"
WORKING, DECLINED, DECLINED_ONCE_KEPT = "visa", "chargeDeclined", "chargeCustomerFail"
DISPUTED, REFUND_FAILS = "createDispute", "refundFail"
"""Cards of test mode, by what follows ``pm_card_`` and ``tok_`` in their names."""


@dataclass(frozen=True)
class Account:
    """An account of test mode: where it is, with which key, and how long it may take over anything."""

    address: str
    key: str
    patience_seconds: float


def imitation(process: FakeStripeProcess) -> Account:
    process.control("reset")
    return Account(process.url, "sk_test_imitation", patience_seconds=PATIENCE_SECONDS)


def real_one() -> Account:
    """The account that STRIPE_TEST_KEY opens; skips where there is none."""
    key = os.environ.get("STRIPE_TEST_KEY", "")
    if not key:
        pytest.skip("STRIPE_TEST_KEY is not set: what is tested here runs against the imitation alone")
    if not key.startswith(("sk_test_", "rk_test_")):
        pytest.fail("STRIPE_TEST_KEY must be a key of test mode (sk_test_…): these tests buy and refund")
    return Account(STRIPE, key, patience_seconds=180)


class StripeDriver:
    """Has the site sell through an account, from now on."""

    def __init__(self, account: Account, settings: Settings) -> None:
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = account.key, account.address
        self.address, self.patience_seconds = account.address, account.patience_seconds
        self.client = gateway.client()
        self.api: Any = self.client.v1
        self.began_at = timezone.now()
        self._clock: Any = None

    def close(self) -> None:
        """Take away what would go on at Stripe."""
        if self._clock is not None:
            self.api.test_helpers.test_clocks.delete(self._clock.id)

    # --- buying ----------------------------------------------------------------------------------------------

    def pay(self, order: Order, *, card: str = WORKING) -> None:
        """Press "Pay" on the order's page.

        Raises:
            stripe.CardError: declined.
        """
        typed = {"type": "card", "card": {"token": f"tok_{card}"}, "billing_details": {"email": "buyer@example.com"}}
        method = self.api.payment_methods.create(typed)
        session = lookups.session(order.stripe_session_id or "")
        self.client.raw_request(
            "post",
            f"/v1/payment_pages/{session.id}/confirm",
            payment_method=method.id,
            expected_amount=session.amount_total,
        )

    def buy(self, workspace: UUID, price: Price, *, card: str = WORKING) -> Payment:
        """Order, pay, and let the site hear of it."""
        order = open_order(workspace, price)
        self.pay(order, card=card)
        self.tell_until(lambda: Payment.objects.filter(order=order).exists())
        return Payment.objects.get(order=order)

    def payer(self, workspace: UUID) -> str:
        """The workspace's customer, whose card works and whose time is the clock's."""
        card = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
        made = self.api.customers.create(
            {"test_clock": self.clock.id, "metadata": {"workspace": str(workspace)}, **card}
        )
        Customer.objects.create(workspace=workspace, stripe_customer_id=made.id)
        return str(made.id)

    def subscribe(self, workspace: UUID, plan: str = "creator", interval: str = "month") -> Subscription:
        """A plan that is paid for and known, at a customer's whose time is the clock's."""
        customer = self.payer(workspace)
        subscription = self.begin(workspace, plan_price(plan, interval), customer=customer)
        self.tell_until(lambda: Payment.objects.filter(workspace=workspace).exists())
        return Subscription.objects.get(stripe_subscription_id=subscription)

    def begin(
        self,
        workspace: UUID,
        price: Price,
        *,
        customer: str,
        quantity: int = 1,
        is_paid: bool = True,
        is_by_hand: bool = False,
    ) -> str:
        """A subscription as Checkout makes it, when its page is paid, or before; or as somebody makes it by hand in the
        dashboard, who names no workspace."""
        asked = {
            "customer": customer,
            "items": [{"price": gateway.stripe_price_of(price), "quantity": quantity}],
            "payment_behavior": "error_if_incomplete" if is_paid else "default_incomplete",
            "metadata": {} if is_by_hand else {"workspace": str(workspace)},
        }
        return str(self.api.subscriptions.create(asked).id)

    def use_card(self, subscription: Subscription, card: str) -> str:
        """Another card pays for the subscription from now on. Returns the payment method."""
        customer = Customer.objects.get(workspace=subscription.workspace).stripe_customer_id
        kept = self.api.payment_methods.attach(f"pm_card_{card}", {"customer": customer})
        self.api.subscriptions.update(subscription.stripe_subscription_id, {"default_payment_method": kept.id})
        return str(kept.id)

    def pay_open_invoice(self, subscription: Subscription, *, method: str) -> None:
        """On the invoice's own page, which a mail of Stripe's leads to."""
        theirs = {"subscription": subscription.stripe_subscription_id, "status": "open"}
        [invoice] = self.api.invoices.list(theirs).data
        self.api.invoices.pay(invoice.id, {"payment_method": method})

    # --- money that goes back --------------------------------------------------------------------------------

    def refund(self, payment: Payment, amount_minor: int | None = None) -> None:
        """From Stripe's own dashboard."""
        amount = {} if amount_minor is None else {"amount": amount_minor}
        self.api.refunds.create({"payment_intent": payment.stripe_payment_intent_id, **amount})

    def dispute_of(self, payment: Payment) -> str:
        """The dispute that the cardholder opens after paying with such a card."""
        of = {"payment_intent": payment.stripe_payment_intent_id}
        self._wait(lambda: bool(self.api.disputes.list(of).data), "nobody has disputed the payment")
        return str(self.api.disputes.list(of).data[0].id)

    def win(self, dispute: str) -> None:
        self.api.disputes.update(dispute, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True})

    def lose(self, dispute: str) -> None:
        self.api.disputes.update(dispute, {"evidence": {"uncategorized_text": "losing_evidence"}, "submit": True})

    # --- time ------------------------------------------------------------------------------------------------

    @property
    def clock(self) -> Any:
        if self._clock is None:
            frozen = {"frozen_time": int(self.began_at.timestamp()), "name": "LoreMotion's tests"}
            self._clock = self.api.test_helpers.test_clocks.create(frozen)
        return self._clock

    def advance(self, by: timedelta) -> None:
        """Let time pass for the customers, and wait until everything that was due has happened."""
        target = self.clock.frozen_time + int(by.total_seconds())
        self.api.test_helpers.test_clocks.advance(self.clock.id, {"frozen_time": target})

        def is_there() -> bool:
            self._clock = self.api.test_helpers.test_clocks.retrieve(self.clock.id)
            return bool(self._clock.status == "ready" and self._clock.frozen_time >= target)

        self._wait(is_there, f"the clock is at {self.clock.frozen_time}, {self.clock.status}")

    # --- the post --------------------------------------------------------------------------------------------

    def happened(self, *kinds: str) -> list[Any]:
        """What the account's list says has happened since the test began, oldest first, once it has these kinds."""

        def listed() -> list[Any]:
            return list(lookups.events_since(self.began_at, list(inbox.TYPES)))

        self._wait(lambda: set(kinds) <= {event.type for event in listed()}, f"not all of {kinds} has happened")
        return listed()[::-1]

    def tell_until(self, is_so: Callable[[], bool]) -> None:
        """Read the account's list of events and follow them, until the site knows what is waited for."""

        def is_told() -> bool:
            # From the beginning each time: what happens by a customer's clock may bear that clock's time.
            Reconciliation.objects.filter(kind="events").delete()
            read_until = self.began_at + reconcile.OVERLAP
            Reconciliation.objects.create(kind="events", read_until=read_until, finished_at=self.began_at)
            reconcile.read_events()
            for event_id in StripeEvent.objects.filter(state="new").values_list("event_id", flat=True):
                inbox.work_on(event_id)
            return is_so()

        self._wait(is_told, "what happened at Stripe did not reach the site")

    def _wait(self, is_so: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + self.patience_seconds
        while not is_so():
            failed = list(StripeEvent.objects.exclude(last_error="").values_list("type", "last_error")[:5])
            assert time.monotonic() < deadline, f"{problem}; {failed}"
            time.sleep(0.5)  # a server elsewhere is at it
