"""Subscriptions and their invoices: beginning, renewal by the clock, failed payments, change, end."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.fake_stripe.customers import Customers
from tests.fake_stripe.errors import StripeRefused, declined
from tests.fake_stripe.invoices import Invoices
from tests.fake_stripe.payments import Payments
from tests.fake_stripe.schedules import Schedules
from tests.fake_stripe.state import DAY_SECONDS, Object, State

RETRY_AFTER_DAYS = (3, 5, 7)
"""When a failed invoice is tried again, counted from the try before; then the subscription is cancelled."""
PENDING_SECONDS = 23 * 3600
"""How long a change waits for its payment."""
DRAFT_SECONDS = 3600
"""How long a renewal's invoice stays a draft before it is charged."""


def after_months(anchor: int, months: int) -> int:
    """The moment so many months after ``anchor``, on its day of the month or the month's last before it."""
    begin = datetime.fromtimestamp(anchor, UTC)
    year, month = divmod(begin.year * 12 + begin.month - 1 + months, 12)
    day = min(begin.day, calendar.monthrange(year, month + 1)[1])
    return int(begin.replace(year=year, month=month + 1, day=day).timestamp())


class Subscriptions:
    def __init__(self, state: State, customers: Customers, payments: Payments) -> None:
        self.state = state
        self.customers = customers
        self.payments = payments
        self.invoices = Invoices(state)
        self.schedules = Schedules(state)
        state.when_due("period ends", self.end_period)
        state.when_due("invoice is due", self.collect)
        state.when_due("pending update expires", self.drop_pending)

    # --- beginning -------------------------------------------------------------------------------------------

    def create(self, asked: dict[str, Any]) -> Object:
        """A subscription that is asked for without Checkout: paid at once with a card on file, or not yet begun."""
        customer = self.state.get(asked["customer"], "customer")
        behavior = asked.get("payment_behavior")
        if behavior not in ("error_if_incomplete", "default_incomplete"):
            raise StripeRefused("This server only knows error_if_incomplete and default_incomplete.")
        method = asked.get("default_payment_method")
        price = self.state.get(asked["items"][0]["price"], "price")
        if behavior == "error_if_incomplete":
            card = self.customers.card_of(method) if method else customer["_card"]
            if self.payments.is_declined(card, is_kept=True):
                raise declined()
        return self.begin(
            customer=customer["id"],
            price=price,
            quantity=int(asked["items"][0].get("quantity", 1)),
            metadata=asked.get("metadata", {}),
            method=method,
            is_paid=behavior == "error_if_incomplete",
        )

    def begin(
        self,
        *,
        customer: str,
        price: Object,
        metadata: Mapping[str, str],
        quantity: int = 1,
        tax: int = 0,
        method: str | None = None,
        is_paid: bool = True,
    ) -> Object:
        """A subscription with its first invoice, which begins it once it is paid."""
        subscription = self.state.add(
            "sub",
            "subscription",
            {
                "customer": customer,
                "status": "incomplete",
                "currency": price["currency"],
                "metadata": dict(metadata),
                "cancel_at_period_end": False,
                "cancel_at": None,
                "canceled_at": None,
                "ended_at": None,
                "schedule": None,
                "pending_update": None,
                "latest_invoice": None,
                "default_payment_method": method,
                "billing_cycle_anchor": self.state.now(),
                "start_date": self.state.now(),
                "collection_method": "charge_automatically",
                "_tax": tax,
            },
        )
        item = {"id": f"si_{subscription['id'][4:]}", "object": "subscription_item", "quantity": quantity}
        subscription["items"] = {"object": "list", "has_more": False, "url": "/v1/subscription_items", "data": [item]}
        self._begin_period(subscription, price, self.state.now())
        invoice = self._bill(subscription, price, "subscription_create")
        self.state.emit("customer.subscription.created", subscription)
        if is_paid:
            self._pay(invoice, subscription, self._card_of(subscription))
        else:
            invoice["status"] = "open"
        return subscription

    def _begin_period(self, subscription: Object, price: Object, start: int) -> None:
        item = subscription["items"]["data"][0]
        months = 12 if price["recurring"]["interval"] == "year" else 1
        anchor = subscription["billing_cycle_anchor"]
        count = next(n for n in range(1, 10_000) if after_months(anchor, n * months) > start)
        item.update(
            price=dict(price), current_period_start=start, current_period_end=after_months(anchor, count * months)
        )
        self.state.at(item["current_period_end"], "period ends", subscription["id"])

    # --- the clock -------------------------------------------------------------------------------------------

    def end_period(self, subscription_id: str) -> None:
        """Renew, or end what was to end now. A period that was cut short meanwhile has no end of its own."""
        subscription = self.state.get(subscription_id, "subscription")
        item = subscription["items"]["data"][0]
        if subscription["status"] in ("canceled", "incomplete") or item["current_period_end"] > self.state.now():
            return
        if subscription["cancel_at_period_end"]:
            self.cancel(subscription_id)
            return
        price = self.schedules.take_effect(subscription) or self.state.get(item["price"]["id"], "price")
        if price["recurring"] != item["price"]["recurring"]:
            subscription["billing_cycle_anchor"] = item["current_period_end"]
        self._begin_period(subscription, price, item["current_period_end"])
        invoice = self._bill(subscription, price, "subscription_cycle")
        self.state.emit("customer.subscription.updated", subscription)
        self.state.at(self.state.now() + DRAFT_SECONDS, "invoice is due", invoice["id"])

    def collect(self, invoice_id: str) -> None:
        """Try to be paid. After the last try the subscription is cancelled."""
        invoice = self.state.get(invoice_id, "invoice")
        subscription = self.state.get(invoice["_subscription"], "subscription")
        if invoice["status"] not in ("draft", "open") or subscription["status"] == "canceled":
            return
        invoice["status"] = "open"
        if not self._is_declined(subscription):
            self._settle(invoice, subscription, self._card_of(subscription))
            return
        if "_price" in invoice:  # a change is tried once
            return
        self.invoices.note_failed(invoice)
        if subscription["status"] != "past_due":
            subscription["status"] = "past_due"
            self.state.emit("customer.subscription.updated", subscription)
        tries = invoice["attempt_count"]
        if tries <= len(RETRY_AFTER_DAYS):
            invoice["next_payment_attempt"] = self.state.now() + RETRY_AFTER_DAYS[tries - 1] * DAY_SECONDS
            self.state.at(invoice["next_payment_attempt"], "invoice is due", invoice["id"])
        else:
            invoice["status"] = "void"
            self.cancel(subscription["id"])

    # --- invoices --------------------------------------------------------------------------------------------

    def _bill(self, subscription: Object, price: Object, reason: str, period: tuple[int, int] | None = None) -> Object:
        item = subscription["items"]["data"][0]
        present = (item["current_period_start"], item["current_period_end"])
        return self.invoices.draw_up_period(subscription, price, reason, period or present)

    def _is_declined(self, subscription: Object) -> bool:
        return self.payments.is_declined(self._card_of(subscription), is_kept=True)

    def _card_of(self, subscription: Object) -> str:
        """What pays for it: a card of its own goes before the customer's."""
        if method := subscription["default_payment_method"]:
            return self.customers.card_of(method)
        return str(self.state.get(subscription["customer"], "customer")["_card"])

    def pay_invoice(self, invoice_id: str, asked: dict[str, Any]) -> Object:
        """Somebody pays an open invoice, with another card if one is named.

        Raises:
            StripeRefused: declined, or there is nothing to pay.
        """
        invoice = self.state.get(invoice_id, "invoice")
        if invoice["status"] != "open":
            raise StripeRefused(f"This invoice is {invoice['status']} and cannot be paid.")
        subscription = self.state.get(invoice["_subscription"], "subscription")
        method = asked.get("payment_method")
        card = self.customers.card_of(method) if method else self._card_of(subscription)
        if self.payments.is_declined(card, is_kept=True):
            self.invoices.note_failed(invoice)
            raise declined()
        self._settle(invoice, subscription, card)
        return invoice

    def _settle(self, invoice: Object, subscription: Object, card: str) -> None:
        if "_price" in invoice:  # of a change that is pending
            self._apply_change(subscription, invoice, card)
        else:
            self._pay(invoice, subscription, card)

    def _pay(self, invoice: Object, subscription: Object, card: str) -> None:
        intent = self.payments.begin(
            amount=invoice["total"], currency=invoice["currency"], customer=invoice["customer"], metadata={}
        )
        self.payments.charge(intent, card)
        self.invoices.note_paid(invoice, intent)
        was_late = subscription["status"] != "active"
        subscription["status"] = "active"
        self.state.emit("invoice.paid", invoice)
        self.state.emit("invoice.payment_succeeded", invoice)
        if was_late:
            self.state.emit("customer.subscription.updated", subscription)

    # --- change ----------------------------------------------------------------------------------------------

    def update(self, subscription_id: str, asked: dict[str, Any]) -> Object:
        subscription = self._ongoing(subscription_id)
        if "cancel_at_period_end" in asked:
            subscription["cancel_at_period_end"] = asked["cancel_at_period_end"]
            ends = subscription["items"]["data"][0]["current_period_end"]
            subscription["cancel_at"] = ends if asked["cancel_at_period_end"] else None
            self.state.emit("customer.subscription.updated", subscription)
        if "metadata" in asked:
            subscription["metadata"] |= asked["metadata"]
        if "default_payment_method" in asked:
            self.customers.card_of(asked["default_payment_method"])  # there is one
            subscription["default_payment_method"] = asked["default_payment_method"]
        if "items" in asked:
            if subscription["schedule"]:
                raise StripeRefused("The subscription is managed by the subscription schedule; update that instead.")
            self._change_now(subscription, asked)
        return subscription

    def upgrade(self, subscription_id: str, price_id: str) -> Object:
        """The change that the site asks for, as if it had."""
        item = self.state.get(subscription_id, "subscription")["items"]["data"][0]["id"]
        how = {"proration_behavior": "none", "payment_behavior": "pending_if_incomplete"}
        asked = {"items": [{"id": item, "price": price_id}], "billing_cycle_anchor": {"type": "now"}, **how}
        return self.update(subscription_id, asked)

    def _change_now(self, subscription: Object, asked: dict[str, Any]) -> None:
        """A full new period at the new price, from now, if it is paid; what is not paid at once stays pending."""
        if (asked.get("billing_cycle_anchor"), asked.get("proration_behavior")) != ({"type": "now"}, "none"):
            raise StripeRefused(
                "This server only changes a price with billing_cycle_anchor=now, proration_behavior=none."
            )
        item = asked["items"][0]
        if item.get("id") != subscription["items"]["data"][0]["id"]:
            raise StripeRefused("Name the item whose price changes; otherwise another one is added.", parameter="items")
        price = self.state.get(item["price"], "price")
        if price["currency"] != subscription["currency"]:
            raise StripeRefused("The price's currency is not the subscription's.", parameter="items[0][price]")
        if subscription["pending_update"]:
            self.drop_pending(subscription["id"])
        now = self.state.now()
        months = 12 if price["recurring"]["interval"] == "year" else 1
        invoice = self._bill(subscription, price, "subscription_update", (now, after_months(now, months)))
        invoice.update(status="open", _price=price["id"])
        if not self._is_declined(subscription):
            self._apply_change(subscription, invoice, self._card_of(subscription))
            return
        self.invoices.note_failed(invoice)
        if asked.get("payment_behavior") != "pending_if_incomplete":
            raise StripeRefused("This server only knows payment_behavior=pending_if_incomplete.")
        expires_at = now + PENDING_SECONDS
        subscription["pending_update"] = {"expires_at": expires_at, "subscription_items": [item]}
        subscription["_pending_invoice"] = invoice["id"]
        self.state.at(expires_at, "pending update expires", subscription["id"])
        self.state.emit("customer.subscription.updated", subscription)

    def _apply_change(self, subscription: Object, invoice: Object, card: str) -> None:
        price = self.state.get(invoice["_price"], "price")
        start = invoice["lines"]["data"][0]["period"]["start"]
        subscription.update(billing_cycle_anchor=start, pending_update=None)
        self._begin_period(subscription, price, start)
        self._pay(invoice, subscription, card)
        self.state.emit("customer.subscription.updated", subscription)

    def drop_pending(self, subscription_id: str) -> None:
        """Forget a change that was not paid, if there still is one."""
        subscription = self.state.get(subscription_id, "subscription")
        if subscription["pending_update"]:
            subscription["pending_update"] = None
            self.state.get(subscription["_pending_invoice"], "invoice")["status"] = "void"
            self.state.emit("customer.subscription.updated", subscription)

    def cancel(self, subscription_id: str) -> Object:
        """End it now."""
        subscription = self._ongoing(subscription_id)
        subscription.update(status="canceled", canceled_at=self.state.now(), ended_at=self.state.now())
        self.state.emit("customer.subscription.deleted", subscription)
        return subscription

    def _ongoing(self, subscription_id: str) -> Object:
        subscription = self.state.get(subscription_id, "subscription")
        if subscription["status"] == "canceled":
            raise StripeRefused(f"No such subscription: '{subscription_id}'", status=404, code="resource_missing")
        return subscription
