"""Invoices as papers: what is on them, and what is noted when they are paid or not."""

from __future__ import annotations

from tests.fake_stripe.state import Object, State


class Invoices:
    def __init__(self, state: State) -> None:
        self.state = state

    def draw_up(self, *, customer: str, currency: str, amount: int, tax: int = 0, reason: str) -> Object:
        """One without lines and without a subscription, still a draft."""
        number = sum(1 for _ in self.state.of_kind("invoice")) + 1
        total = amount + tax
        invoice = self.state.add(
            "in",
            "invoice",
            {
                "customer": customer,
                "currency": currency,
                "status": "draft",
                "billing_reason": reason,
                "number": f"FAKE-{number:04}",
                "subtotal": amount,
                "total": total,
                "amount_due": total,
                "amount_paid": 0,
                "amount_remaining": total,
                "attempted": False,
                "attempt_count": 0,
                "next_payment_attempt": None,
                "metadata": {},
                "status_transitions": {"paid_at": None},
                "parent": None,
                "lines": {"object": "list", "has_more": False, "data": []},
                "_payments": {"object": "list", "has_more": False, "url": "/v1/invoice_payments", "data": []},
            },
        )
        site = self.state.objects["site"]["url"]
        invoice["hosted_invoice_url"] = f"{site}/invoices/{invoice['id']}"
        invoice["invoice_pdf"] = f"{site}/invoices/{invoice['id']}/pdf"
        return invoice

    def draw_up_period(self, subscription: Object, price: Object, reason: str, period: tuple[int, int]) -> Object:
        """One for a period of a subscription at a price."""
        invoice = self.draw_up(
            customer=subscription["customer"],
            currency=price["currency"],
            amount=price["unit_amount"] * subscription["items"]["data"][0]["quantity"],
            tax=subscription["_tax"],
            reason=reason,
        )
        invoice["_subscription"] = subscription["id"]
        invoice["parent"] = {
            "type": "subscription_details",
            "quote_details": None,
            "subscription_details": {
                "subscription": subscription["id"],
                "metadata": dict(subscription["metadata"]),
            },
        }
        invoice["lines"]["data"].append(_period_line(invoice["id"], subscription, price, period))
        subscription["latest_invoice"] = invoice["id"]
        self.state.emit("invoice.created", invoice)
        return invoice

    def note_paid(self, invoice: Object, intent: Object) -> None:
        """It is settled by a payment that has succeeded."""
        payment = self.state.add(
            "inpay",
            "invoice_payment",
            {
                "amount_paid": invoice["total"],
                "amount_requested": invoice["total"],
                "currency": invoice["currency"],
                "invoice": invoice["id"],
                "is_default": True,
                "payment": {"type": "payment_intent", "payment_intent": intent["id"]},
                "status": "paid",
            },
        )
        invoice["_payments"]["data"].append({**payment})
        invoice["attempt_count"] += 1
        invoice.update(status="paid", amount_paid=invoice["total"], amount_remaining=0, attempted=True)
        invoice.update(status_transitions={"paid_at": self.state.now()}, next_payment_attempt=None)

    def note_failed(self, invoice: Object) -> None:
        invoice["attempt_count"] += 1
        invoice["attempted"] = True
        self.state.emit("invoice.payment_failed", invoice)


def _period_line(invoice_id: str, subscription: Object, price: Object, period: tuple[int, int]) -> Object:
    item = subscription["items"]["data"][0]
    return {
        "id": f"il_{invoice_id[3:]}",
        "object": "line_item",
        "amount": price["unit_amount"] * item["quantity"],
        "quantity": item["quantity"],
        "currency": price["currency"],
        "period": {"start": period[0], "end": period[1]},
        "metadata": {},
        "pricing": {
            "type": "price_details",
            "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": str(price["unit_amount"]),
        },
        "parent": {
            "type": "subscription_item_details",
            "invoice_item_details": None,
            "subscription_item_details": {
                "proration": False,
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
        },
    }
