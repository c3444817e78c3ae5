"""Customers and the payment methods that they keep."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe import cards
from tests.fake_stripe.errors import StripeRefused
from tests.fake_stripe.state import Object, State


class Customers:
    def __init__(self, state: State) -> None:
        self.state = state

    def create(self, asked: dict[str, Any]) -> Object:
        fields = {name: asked.get(name) for name in ("email", "name", "test_clock")}
        customer = self.state.add("cus", "customer", {**fields, "metadata": asked.get("metadata", {}), "_card": ""})
        if "payment_method" in asked:
            self.keep(asked["payment_method"], {"customer": customer["id"]})
        self._choose_card(customer, asked)
        self.state.emit("customer.created", customer)
        return customer

    def update(self, customer_id: str, asked: dict[str, Any]) -> Object:
        customer = self.state.get(customer_id, "customer")
        customer["metadata"] |= asked.get("metadata", {})
        self._choose_card(customer, asked)
        self.state.emit("customer.updated", customer)
        return customer

    # --- payment methods -------------------------------------------------------------------------------------

    def create_method(self, asked: dict[str, Any]) -> Object:
        """A card as a pay page would make it of what is typed in. By its token: numbers are not for servers."""
        if asked.get("type") != "card" or "token" not in asked.get("card", {}):
            raise StripeRefused("This server makes payment methods of cards, by their token.", parameter="card[token]")
        return self._new_method(cards.number_of(asked["card"]["token"]), asked.get("billing_details", {}))

    def keep(self, method: str, asked: dict[str, Any]) -> Object:
        """A payment method becomes a customer's; one of test mode's own names becomes a new one."""
        customer = self.state.get(asked["customer"], "customer")
        kept = self._method(method)
        kept["customer"] = customer["id"]
        return kept

    def keep_number(self, number: str, customer_id: str) -> Object:
        """A card that was typed in becomes a customer's."""
        method = self._new_method(number, {})
        method["customer"] = customer_id
        return method

    def card_of(self, method: str) -> str:
        """The number of the card that a payment method, or a name of test mode's, is for."""
        return str(self._method(method)["_card"])

    def replace_card(self, customer_id: str, number: str) -> None:
        """As the portal does: for everything that the customer pays from now on."""
        self.state.get(customer_id, "customer")["_card"] = number
        method = self.keep_number(number, customer_id)
        for subscription in self.state.of_kind("subscription"):
            if subscription["customer"] == customer_id:
                subscription["default_payment_method"] = method["id"]

    def _choose_card(self, customer: Object, asked: dict[str, Any]) -> None:
        if method := asked.get("invoice_settings", {}).get("default_payment_method"):
            customer["_card"] = self.card_of(method)

    def _method(self, method: str) -> Object:
        if method in self.state.objects:
            return self.state.get(method, "payment_method")
        return self._new_method(cards.number_of(method), {})

    def _new_method(self, number: str, billing: dict[str, Any]) -> Object:
        fields = {"type": "card", "customer": None, "billing_details": billing, "_card": number}
        return self.state.add("pm", "payment_method", fields)
