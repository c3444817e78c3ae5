"""Products, prices, and Checkout Sessions from their making to their payment."""

from __future__ import annotations

from typing import Any

from tests.fake_stripe.customers import Customers
from tests.fake_stripe.errors import StripeRefused, declined
from tests.fake_stripe.invoices import Invoices
from tests.fake_stripe.payments import Payments
from tests.fake_stripe.state import DAY_SECONDS, Object, State
from tests.fake_stripe.subscriptions import Subscriptions

TAX_PERCENT = 10
"""What Stripe Tax adds here wherever it is switched on."""


class Checkout:
    def __init__(self, state: State, customers: Customers, payments: Payments, subscriptions: Subscriptions) -> None:
        self.state = state
        self.customers = customers
        self.payments = payments
        self.subscriptions = subscriptions
        self.invoices = Invoices(state)
        state.when_due("session expires", self.expire_if_open)

    def create_product(self, asked: dict[str, Any]) -> Object:
        if asked.get("id") in self.state.objects:
            raise StripeRefused("Product already exists.", code="resource_already_exists", parameter="id")
        fields = {name: asked.get(name) for name in ("name", "description", "tax_code")}
        return self.state.add(
            "prod",
            "product",
            {**fields, "active": True, "metadata": asked.get("metadata", {})},
            object_id=asked.get("id"),
        )

    def create_price(self, asked: dict[str, Any]) -> Object:
        product = self.state.get(asked["product"], "product")
        recurring = asked.get("recurring")
        return self.state.add(
            "price",
            "price",
            {
                "active": True,
                "currency": asked["currency"],
                "product": product["id"],
                "unit_amount": asked["unit_amount"],
                "recurring": recurring and {"interval_count": 1, "usage_type": "licensed", **recurring},
                "type": "recurring" if recurring else "one_time",
                "tax_behavior": asked.get("tax_behavior", "unspecified"),
                "lookup_key": asked.get("lookup_key"),
                "metadata": asked.get("metadata", {}),
            },
        )

    # --- sessions --------------------------------------------------------------------------------------------

    def create_session(self, asked: dict[str, Any]) -> Object:
        lines = [self._line(line) for line in asked.get("line_items", [])]
        mode = asked.get("mode", "payment")
        if not lines:
            raise StripeRefused("Missing required param: line_items.", parameter="line_items", code="parameter_missing")
        if (mode == "subscription") != any(price["recurring"] for price, _ in lines):
            raise StripeRefused("The mode does not fit the prices: recurring ones make a subscription.")
        if "customer" in asked:
            self.state.get(asked["customer"], "customer")
        if (mode == "payment" and "subscription_data" in asked) or (
            mode == "subscription" and "payment_intent_data" in asked
        ):
            raise StripeRefused(f"You can not pass this data in `{mode}` mode.")
        subtotal = sum(price["unit_amount"] * quantity for price, quantity in lines)
        tax = subtotal * TAX_PERCENT // 100 if asked.get("automatic_tax", {}).get("enabled") else 0
        session = self.state.add(
            "cs_test",
            "checkout.session",
            {
                "mode": mode,
                "status": "open",
                "payment_status": "unpaid",
                "amount_subtotal": subtotal,
                "amount_total": subtotal + tax,
                "total_details": {"amount_tax": tax, "amount_discount": 0, "amount_shipping": 0},
                "currency": lines[0][0]["currency"],
                "customer": asked.get("customer"),
                "customer_details": None,
                "client_reference_id": asked.get("client_reference_id"),
                "metadata": asked.get("metadata", {}),
                "payment_intent": None,
                "invoice": None,
                "subscription": None,
                "success_url": asked.get("success_url"),
                "cancel_url": asked.get("cancel_url"),
                "expires_at": asked.get("expires_at", self.state.now() + DAY_SECONDS),
                "_lines": [(price["id"], quantity) for price, quantity in lines],
                "_has_invoice": bool(asked.get("invoice_creation", {}).get("enabled")),
                "_intent_metadata": asked.get("payment_intent_data", {}).get("metadata", {}),
                "_subscription_metadata": asked.get("subscription_data", {}).get("metadata", {}),
            },
        )
        session["url"] = f"{self.state.objects['site']['url']}/c/pay/{session['id']}"
        self.state.at(session["expires_at"], "session expires", session["id"])
        return session

    def _line(self, line: dict[str, Any]) -> tuple[Object, int]:
        return self.state.get(line["price"], "price"), line.get("quantity", 1)

    def pay(self, session_id: str, *, card: str, email: str = "", is_slow: bool = False) -> Object:
        """The person pressed "Pay". ``is_slow``: a bank debit, whose money comes later or not at all.

        Raises:
            StripeRefused: declined, and the session stays open; or it is not open any more.
        """
        session = self.open_session(session_id)
        if self.payments.is_declined(card):
            raise declined()
        customer = session["customer"] or self.customers.create({"email": email})["id"]
        session.update(customer=customer, status="complete", customer_details={"email": email or None}, _card=card)
        if session["mode"] == "payment":
            intent = self.payments.begin(
                amount=session["amount_total"],
                currency=session["currency"],
                customer=customer,
                metadata=session["_intent_metadata"],
            )
            session["payment_intent"] = intent["id"]
        if not is_slow:
            self._take_money(session)
        self.state.emit("checkout.session.completed", session)
        return session

    def settle_slow(self, session_id: str, *, is_paid: bool) -> Object:
        """The bank debit of a completed session came through, or did not."""
        session = self.state.get(session_id, "checkout.session")
        if is_paid:
            self._take_money(session)
        else:
            self.state.get(session["payment_intent"], "payment_intent")["status"] = "requires_payment_method"
        self.state.emit(f"checkout.session.async_payment_{'succeeded' if is_paid else 'failed'}", session)
        return session

    def _take_money(self, session: Object) -> None:
        if session["mode"] == "subscription":
            price_id, _ = session["_lines"][0]
            method = self.customers.keep_number(session["_card"], session["customer"])
            subscription = self.subscriptions.begin(
                customer=session["customer"],
                method=method["id"],
                price=self.state.get(price_id, "price"),
                metadata=session["_subscription_metadata"],
                tax=session["total_details"]["amount_tax"],
            )
            session.update(subscription=subscription["id"], invoice=subscription["latest_invoice"])
        else:
            intent = self.payments.charge(self.state.get(session["payment_intent"], "payment_intent"), session["_card"])
            if session["_has_invoice"]:
                session["invoice"] = self._invoice(session, intent)["id"]
        session["payment_status"] = "paid"

    def _invoice(self, session: Object, intent: Object) -> Object:
        """The paper for something that was paid once. It is no period of anything."""
        invoice = self.invoices.draw_up(
            customer=session["customer"],
            currency=session["currency"],
            amount=session["amount_subtotal"],
            tax=session["total_details"]["amount_tax"],
            reason="manual",
        )
        self.invoices.note_paid(invoice, intent)
        self.state.emit("invoice.paid", invoice)
        return invoice

    def confirm(self, session_id: str, asked: dict[str, Any]) -> Object:
        """What the pay page asks for when "Pay" is pressed."""
        session = self.open_session(session_id)
        if asked.get("expected_amount", session["amount_total"]) != session["amount_total"]:
            raise StripeRefused("The amount has changed.", parameter="expected_amount")
        method = self.state.get(asked["payment_method"], "payment_method")
        self.pay(session_id, card=method["_card"], email=method["billing_details"].get("email", ""))
        return {"id": f"ppage_{session_id[8:]}", "object": "checkout.session", "session_id": session_id}

    def expire(self, session_id: str) -> Object:
        session = self.state.get(session_id, "checkout.session")
        if session["status"] != "open":
            raise StripeRefused(
                'Only Checkout Sessions with a status in ["open"] can be expired. '
                f"This Checkout Session has a status of {session['status']}."
            )
        session["status"] = "expired"
        self.state.emit("checkout.session.expired", session)
        return session

    def expire_if_open(self, session_id: str) -> None:
        if self.state.get(session_id, "checkout.session")["status"] == "open":
            self.expire(session_id)

    def open_session(self, session_id: str) -> Object:
        session = self.state.get(session_id, "checkout.session")
        if session["status"] != "open":
            raise StripeRefused(f"This Session is {session['status']} and takes no payment.")
        return session
