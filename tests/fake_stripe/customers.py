"""Customers, the cards that they keep, and test mode's clocks, all of which are the one clock here."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe.errors import StripeRefused, not_found
from tests.fake_stripe.state import Object, State

CARDS = {"pm_card_visa": "", "pm_card_chargeCustomerFail": "4000000000000341"}
"""Test mode's names for cards that can be kept without a form, and their numbers; empty is one that always pays."""
CLOCK_DRIFT_SECONDS = 3_600


class Customers:
    def __init__(self, state: State) -> None:
        self.state = state

    def create(self, asked: dict[str, Any]) -> Object:
        fields = {name: asked.get(name) for name in ("email", "name", "test_clock")}
        customer = self.state.add("cus", "customer", {**fields, "metadata": asked.get("metadata", {}), "_card": ""})
        if "payment_method" in asked:
            self.keep_card(asked["payment_method"], {"customer": customer["id"]})
        self._choose_card(customer, asked)
        self.state.emit("customer.created", customer)
        return customer

    def update(self, customer_id: str, asked: dict[str, Any]) -> Object:
        customer = self.state.get(customer_id, "customer")
        customer["metadata"] |= asked.get("metadata", {})
        self._choose_card(customer, asked)
        self.state.emit("customer.updated", customer)
        return customer

    def keep_card(self, method: str, asked: dict[str, Any]) -> Object:
        """A card of test mode becomes a customer's: a payment method of its own."""
        if method not in CARDS:
            raise not_found(method)
        customer = self.state.get(asked["customer"], "customer")
        return self.state.add(
            "pm", "payment_method", {"type": "card", "customer": customer["id"], "_card": CARDS[method]}
        )

    def _choose_card(self, customer: Object, asked: dict[str, Any]) -> None:
        method = asked.get("invoice_settings", {}).get("default_payment_method")
        if method in CARDS:
            customer["_card"] = CARDS[method]
        elif method:
            customer["_card"] = self.state.get(method, "payment_method")["_card"]

    # --- clocks ----------------------------------------------------------------------------------------------

    def start_clock(self, asked: dict[str, Any]) -> Object:
        if abs(asked["frozen_time"] - self.state.now()) > CLOCK_DRIFT_SECONDS:
            raise StripeRefused("This server has one clock for everybody; begin with its present.")
        return self.state.add(
            "clock",
            "test_helpers.test_clock",
            {"frozen_time": asked["frozen_time"], "name": asked.get("name"), "status": "ready"},
        )

    def advance_clock(self, clock_id: str, asked: dict[str, Any]) -> Object:
        clock = self.state.get(clock_id, "test_helpers.test_clock")
        self.state.advance(asked["frozen_time"] - clock["frozen_time"])
        clock["frozen_time"] = asked["frozen_time"]
        return clock
