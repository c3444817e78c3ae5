"""Money: payment intents, charges, refunds within their limits, disputes with their ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fake_stripe.balance import Balance
from tests.fake_stripe.errors import StripeRefused
from tests.fake_stripe.state import Object, State

REFUSED_CARDS = frozenset({"4000000000000002"})
"""Declined at once."""
CARDS_REFUSED_LATER = frozenset({"4000000000000341"})
"""Taken in Checkout, declined whenever they are charged afterwards."""


class Payments:
    def __init__(self, state: State) -> None:
        self.state = state
        self.balance = Balance(state)

    # --- charging --------------------------------------------------------------------------------------------

    def is_declined(self, card: str) -> bool:
        """Whether a charge of this card fails now. Uses up one of the declines that were asked for."""
        if self.state.declines_left > 0:
            self.state.declines_left -= 1
            return True
        return card in REFUSED_CARDS

    def begin(self, *, amount: int, currency: str, customer: str | None, metadata: Mapping[str, str]) -> Object:
        """A payment intent whose money is on its way."""
        return self.state.add(
            "pi",
            "payment_intent",
            {
                "amount": amount,
                "amount_received": 0,
                "currency": currency,
                "customer": customer,
                "status": "processing",
                "metadata": dict(metadata),
                "latest_charge": None,
            },
        )

    def charge(self, intent: Object) -> Object:
        """The money of a payment intent arrives. Returns the intent, which has succeeded."""
        amount = intent["amount"]
        intent.update(status="succeeded", amount_received=amount)
        charge = self.state.add(
            "ch",
            "charge",
            {
                "amount": amount,
                "amount_captured": amount,
                "amount_refunded": 0,
                "currency": intent["currency"],
                "customer": intent["customer"],
                "captured": True,
                "paid": True,
                "refunded": False,
                "disputed": False,
                "status": "succeeded",
                "payment_intent": intent["id"],
                "metadata": dict(intent["metadata"]),
            },
        )
        charge["receipt_url"] = f"{self.state.objects['site']['url']}/receipts/{charge['id']}"
        self.balance.charged(charge)
        intent["latest_charge"] = charge["id"]
        self.state.emit("charge.succeeded", charge)
        self.state.emit("payment_intent.succeeded", intent)
        return intent

    # --- giving back -----------------------------------------------------------------------------------------

    def refund(self, asked: dict[str, Any]) -> Object:
        charge = self._charge_of(asked)
        left = charge["amount"] - charge["amount_refunded"]
        amount = asked.get("amount", left)
        if charge["disputed"]:
            raise StripeRefused("The charge has been charged back.", code="charge_disputed")
        if left == 0:
            raise StripeRefused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if amount <= 0:
            raise StripeRefused("Invalid positive integer", parameter="amount", code="parameter_invalid_integer")
        if amount > left:
            raise StripeRefused(
                f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", parameter="amount"
            )
        refund = self.state.add(
            "re",
            "refund",
            {
                "amount": amount,
                "currency": charge["currency"],
                "charge": charge["id"],
                "payment_intent": charge["payment_intent"],
                "status": "succeeded",
                "reason": asked.get("reason"),
                "metadata": asked.get("metadata", {}),
                "failure_reason": None,
            },
        )
        self.balance.refunded(refund)
        self._count_refunds(charge)
        self.state.emit("charge.refunded", charge)
        self.state.emit("refund.created", refund)
        return refund

    def fail_refund(self, refund_id: str) -> Object:
        """The bank sent the refund back: the money is ours again."""
        refund = self.state.get(refund_id, "refund")
        refund.update(status="failed", failure_reason="expired_or_canceled_card")
        self.balance.refund_failed(refund)
        self._count_refunds(self.state.get(refund["charge"], "charge"))
        self.state.emit("refund.failed", refund)
        self.state.emit("refund.updated", refund)
        return refund

    def _count_refunds(self, charge: Object) -> None:
        given = [one for one in self.state.of_kind("refund") if one["charge"] == charge["id"]]
        charge["amount_refunded"] = sum(one["amount"] for one in given if one["status"] != "failed")
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]

    # --- disputes --------------------------------------------------------------------------------------------

    def dispute(self, charge_id: str, amount: int | None = None) -> Object:
        """The cardholder disputes the charge: its money is taken until the end."""
        charge = self.state.get(charge_id, "charge")
        charge["disputed"] = True
        dispute = self.state.add(
            "dp",
            "dispute",
            {
                "amount": amount or charge["amount"] - charge["amount_refunded"],
                "currency": charge["currency"],
                "charge": charge["id"],
                "payment_intent": charge["payment_intent"],
                "status": "needs_response",
                "reason": "fraudulent",
                "is_charge_refundable": False,
                "metadata": {},
            },
        )
        self.balance.withdrawn(dispute)
        self.state.emit("charge.dispute.created", dispute)
        self.state.emit("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, dispute_id: str, status: str) -> Object:
        """``won``: the money comes back. ``lost``: it does not."""
        dispute = self.state.get(dispute_id, "dispute")
        dispute["status"] = status
        if status == "won":
            self.state.get(dispute["charge"], "charge")["disputed"] = False
            self.balance.reinstated(dispute)
            self.state.emit("charge.dispute.funds_reinstated", dispute)
        self.state.emit("charge.dispute.closed", dispute)
        return dispute

    def _charge_of(self, asked: dict[str, Any]) -> Object:
        if "charge" in asked:
            return self.state.get(asked["charge"], "charge")
        if "payment_intent" not in asked:
            raise StripeRefused("One of the following params should be provided: charge, payment_intent.")
        intent = self.state.get(asked["payment_intent"], "payment_intent")
        return self.state.get(intent["latest_charge"], "charge")
