"""Whoever is at the counter of Stripe's API: does there what a person or the passing of time would do.

Knows nothing but the public API of test mode, so that it drives api.stripe.com and the imitation with the same
requests. What takes a person is left out: Checkout's pay page and disputes.
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

from billing.shop import gateway, inbox, reconcile
from billing.shop.models import Price, Reconciliation, StripeEvent
from tests.fake_stripe.process import FakeStripeProcess

STRIPE = "https://api.stripe.com"
WORKING_CARD, FAILING_CARD = "pm_card_visa", "pm_card_chargeCustomerFail"


@dataclass(frozen=True)
class Counter:
    """An account of test mode: where it is, and with which key."""

    address: str
    key: str
    patience_seconds: float


def imitation(process: FakeStripeProcess) -> Counter:
    process.control("reset")
    return Counter(process.url, "sk_test_imitation", patience_seconds=10)


def test_mode() -> Counter:
    """The account that STRIPE_TEST_KEY opens; skips where there is none."""
    key = os.environ.get("STRIPE_TEST_KEY", "")
    if not key:
        pytest.skip("STRIPE_TEST_KEY is not set: what is tested here runs against the imitation alone")
    if not key.startswith(("sk_test_", "rk_test_")):
        pytest.fail("STRIPE_TEST_KEY must be a key of test mode (sk_test_…): these tests buy and refund")
    return Counter(STRIPE, key, patience_seconds=180)


test_mode.__test__ = False  # type: ignore[attr-defined] # a name, not a test


class Teller:
    """Has the site sell through the account at ``counter``, from now on."""

    def __init__(self, counter: Counter, settings: Settings) -> None:
        settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = counter.key, counter.address
        self.patience_seconds = counter.patience_seconds
        self.api: Any = gateway.client().v1
        self.began_at = timezone.now()
        # What happened to the account before is none of ours.
        Reconciliation.objects.create(kind="events", read_until=self.began_at, finished_at=self.began_at)
        self.clock = self.api.test_helpers.test_clocks.create({"frozen_time": int(self.began_at.timestamp())})

    def payer(self, workspace: UUID) -> str:
        """A customer whose card works, and whose time is the clock's."""
        card = {"payment_method": WORKING_CARD, "invoice_settings": {"default_payment_method": WORKING_CARD}}
        made = self.api.customers.create({"test_clock": self.clock.id, "metadata": {"workspace": workspace}, **card})
        return str(made.id)

    def use_card(self, customer: str, card: str) -> None:
        kept = self.api.payment_methods.attach(card, {"customer": customer})
        self.api.customers.update(customer, {"invoice_settings": {"default_payment_method": kept.id}})

    def subscribe(self, workspace: UUID, price: Price, *, customer: str) -> str:
        """What Checkout does once its page is paid."""
        asked = {"items": [{"price": gateway.stripe_price_of(price)}], "payment_behavior": "error_if_incomplete"}
        metadata = {"workspace": str(workspace)}
        return str(self.api.subscriptions.create({"customer": customer, "metadata": metadata, **asked}).id)

    def advance(self, by: timedelta) -> None:
        """Let time pass for the customers, and wait until everything that was due has happened."""
        target = self.clock.frozen_time + int(by.total_seconds())
        self.api.test_helpers.test_clocks.advance(self.clock.id, {"frozen_time": target})

        def is_there() -> bool:
            self.clock = self.api.test_helpers.test_clocks.retrieve(self.clock.id)
            return bool(self.clock.status == "ready" and self.clock.frozen_time >= target)

        self._wait(is_there, f"the clock is at {self.clock.frozen_time}, {self.clock.status}")

    def tell_until(self, is_so: Callable[[], bool]) -> None:
        """Read the account's list of events and follow them, until the site knows what is waited for."""

        def is_told() -> bool:
            reconcile.read_events()
            for event_id in StripeEvent.objects.filter(state="new").values_list("event_id", flat=True):
                inbox.work_on(event_id)
            return is_so()

        self._wait(is_told, "what happened at Stripe did not reach the site")

    def _wait(self, is_so: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + self.patience_seconds
        while not is_so():
            assert time.monotonic() < deadline, problem
            time.sleep(0.5)  # a server elsewhere is at it
