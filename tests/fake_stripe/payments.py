"""Money: payment intents, charges, refunds within their limits, disputes with their ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fake_stripe import cards
from tests.fake_stripe.balance import Balance
from tests.fake_stripe.errors import StripeRefused
from tests.fake_stripe.state import Object, State

EVIDENCE = {"winning_evidence": "won", "losing_evidence": "lost"}
"""What test mode takes for evidence, and how a dispute ends for which it is submitted."""

ANSWERED_WITHIN_SECONDS = 7 * 86_400
"""For so long a dispute waits for evidence."""


class Payments:
    def __init__(self, state: State) -> None:
        self.state = state
        self.balance = Balance(state)
        state.when_due("holder disputes", self._dispute_if_paid)
        state.when_due("refund comes back", self._send_refund_back)
        state.when_due("bank has won", lambda dispute_id: self._judge(dispute_id, "lost"))
        state.when_due("bank has lost", lambda dispute_id: self._judge(dispute_id, "won"))

    # --- charging --------------------------------------------------------------------------------------------

    def is_declined(self, card: str, *, is_kept: bool = False) -> bool:
        """Whether a charge of this card fails now. Uses up one of the declines that were asked for.

        Args:
            is_kept: nobody types it in; it was put on file before.
        """
        if self.state.declines_left > 0:
            self.state.declines_left -= 1
            return True
        return card == cards.DECLINED or (is_kept and card == cards.DECLINED_ONCE_KEPT)

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

    def charge(self, intent: Object, card: str = "") -> Object:
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
                "_card": card,
            },
        )
        charge["receipt_url"] = f"{self.state.objects['site']['url']}/receipts/{charge['id']}"
        self.balance.charged(charge)
        intent["latest_charge"] = charge["id"]
        self.state.emit("charge.succeeded", charge)
        self.state.emit("payment_intent.succeeded", intent)
        if card == cards.DISPUTED:
            self.state.at(self.state.now(), "holder disputes", charge["id"])
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
        if charge["_card"] == cards.REFUND_FAILS:
            self.state.at(self.state.now(), "refund comes back", refund["id"])
        return refund

    def _send_refund_back(self, refund_id: str) -> None:
        self.fail_refund(refund_id)

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
                "evidence_details": {"due_by": self.state.now() + ANSWERED_WITHIN_SECONDS},
                "is_charge_refundable": False,
                "balance_transactions": [],
                "metadata": {},
            },
        )
        self.balance.withdrawn(dispute)
        self.state.emit("charge.dispute.created", dispute)
        self.state.emit("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def _dispute_if_paid(self, charge_id: str) -> None:
        if not self.state.get(charge_id, "charge")["disputed"]:
            self.dispute(charge_id)

    def answer_dispute(self, dispute_id: str, asked: dict[str, Any]) -> Object:
        """Evidence is handed in, and the bank decides by it."""
        dispute = self._open_dispute(dispute_id)
        end = EVIDENCE.get(asked.get("evidence", {}).get("uncategorized_text", ""))
        if end is None or not asked.get("submit", True):
            raise StripeRefused("This server only takes evidence that decides, and at once.", parameter="evidence")
        dispute["status"] = "under_review"
        self.state.emit("charge.dispute.updated", dispute)
        self.state.at(self.state.now(), "bank has lost" if end == "won" else "bank has won", dispute_id)
        return dispute

    def accept_dispute(self, dispute_id: str) -> Object:
        """Whoever sold does not answer: the money stays with the cardholder."""
        return self.close_dispute(self._open_dispute(dispute_id)["id"], "lost")

    def _open_dispute(self, dispute_id: str) -> Object:
        dispute = self.state.get(dispute_id, "dispute")
        if dispute["status"] != "needs_response":
            raise StripeRefused(f"This dispute is {dispute['status']} and takes no answer.")
        return dispute

    def _judge(self, dispute_id: str, status: str) -> None:
        if self.state.get(dispute_id, "dispute")["status"] == "under_review":
            self.close_dispute(dispute_id, status)

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
