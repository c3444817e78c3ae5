"""What each movement of money leaves on the account: amount, fee and net, in the account's own currency."""

from __future__ import annotations

from tests.fake_stripe.state import Object, State

KEPT_IN = "usd"
RATES = {"usd": 1.0, "eur": 1.1, "gbp": 1.3, "jpy": 0.67}
"""What a smallest unit of a currency is worth in cents."""
DISPUTE_FEE = 1_500


class Balance:
    def __init__(self, state: State) -> None:
        self.state = state

    def charged(self, charge: Object) -> None:
        amount = self._kept(charge["amount"], charge)
        charge["balance_transaction"] = self._write("charge", charge, charge["amount"], amount * 29 // 1_000 + 30)

    def refunded(self, refund: Object) -> None:
        refund["balance_transaction"] = self._write("refund", refund, -refund["amount"])

    def refund_failed(self, refund: Object) -> None:
        refund["failure_balance_transaction"] = self._write("refund_failure", refund, refund["amount"])

    def withdrawn(self, dispute: Object) -> None:
        written = self._write("adjustment", dispute, -dispute["amount"], DISPUTE_FEE, category="dispute")
        dispute["balance_transactions"].append(dict(self.state.objects[written]))

    def reinstated(self, dispute: Object) -> None:
        written = self._write("adjustment", dispute, dispute["amount"], -DISPUTE_FEE, category="dispute_reversal")
        dispute["balance_transactions"].append(dict(self.state.objects[written]))

    def _kept(self, amount: int, source: Object) -> int:
        return round(amount * RATES[source["currency"]])

    def _write(self, kind: str, source: Object, amount: int, fee: int = 0, *, category: str = "") -> str:
        kept = self._kept(amount, source)
        detail = {"amount": fee, "currency": KEPT_IN, "type": "stripe_fee", "description": "Stripe processing fees"}
        written = self.state.add(
            "txn",
            "balance_transaction",
            {
                "amount": kept,
                "fee": fee,
                "net": kept - fee,
                "currency": KEPT_IN,
                "exchange_rate": None if source["currency"] == KEPT_IN else RATES[source["currency"]],
                "fee_details": [detail] if fee else [],
                "type": kind,
                "reporting_category": category or kind,
                "source": source["id"],
                "status": "pending",
                "balance_type": "payments",
                "description": None,
            },
        )
        return str(written["id"])
