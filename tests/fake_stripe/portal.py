"""The customer portal: its configurations, its sessions, and what a person does in it."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe.customers import Customers
from tests.fake_stripe.errors import StripeRefused
from tests.fake_stripe.state import Object, State
from tests.fake_stripe.subscriptions import Subscriptions


class Portal:
    def __init__(self, state: State, customers: Customers, subscriptions: Subscriptions) -> None:
        self.state = state
        self.customers = customers
        self.subscriptions = subscriptions

    def create_configuration(self, asked: dict[str, Any]) -> Object:
        fields = {"features": asked["features"], "default_return_url": asked.get("default_return_url")}
        return self.state.add(
            "bpc",
            "billing_portal.configuration",
            {**fields, "active": True, "is_default": False, "metadata": asked.get("metadata", {})},
        )

    def create_session(self, asked: dict[str, Any]) -> Object:
        if "configuration" not in asked:
            raise StripeRefused("You can't create a portal session until you save your default portal configuration.")
        configuration = self.state.get(asked["configuration"], "billing_portal.configuration")
        customer = self.state.get(asked.get("customer", ""), "customer")
        session = self.state.add(
            "bps",
            "billing_portal.session",
            {
                "configuration": configuration["id"],
                "customer": customer["id"],
                "return_url": asked.get("return_url") or configuration["default_return_url"],
            },
        )
        session["url"] = f"{self.state.objects['site']['url']}/p/session/{session['id']}"
        return session

    def subscriptions_of(self, session: Object) -> list[Object]:
        ongoing = self.state.of_kind("subscription")
        return [one for one in ongoing if one["customer"] == session["customer"] and one["status"] != "canceled"]

    def use_card(self, session: Object, card: str) -> None:
        """The person puts another card on file; an open invoice is tried with it."""
        self.customers.replace_card(session["customer"], card)
        for invoice in list(self.state.of_kind("invoice")):
            if invoice["customer"] == session["customer"] and invoice["status"] == "open":
                self.subscriptions.collect(invoice["id"])

    def cancel(self, session: Object, subscription_id: str) -> None:
        """The person cancels; the subscription lasts to the end of what is paid."""
        self.subscriptions.update(subscription_id, {"cancel_at_period_end": True})
