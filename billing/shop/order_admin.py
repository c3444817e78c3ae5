"""Orders for staff: who pressed "buy", whether they paid, and with which payment."""

from __future__ import annotations

from typing import Final

from django.contrib import admin
from django.http import HttpRequest

from accounts import whose
from accounts.whose_column import WhoseColumn
from billing.shop import gateway
from billing.shop.models import Order, Payment
from billing.shop.money import format_amount
from loremotion.detail_page import DetailPage, Fact, Standing, admin_address, at, customer_link, link, link_outside
from loremotion.exact_search import ExactSearchAdmin

_STANDINGS: Final = {
    Order.State.OPEN: Standing(
        "Not paid yet", why="Stripe's page takes the payment for a day; then the order is closed. Nothing is charged."
    ),
    Order.State.PAID: Standing("Paid", "good"),
    Order.State.CLOSED: Standing("Not paid", "away", "Its page at Stripe was left or ran out. Nothing was charged."),
}


@admin.register(Order)
class OrderAdmin(DetailPage, WhoseColumn, ExactSearchAdmin):
    list_display = ["created_at", "whose", "price", "state", "actor", "closed_at"]
    list_filter = ["state"]
    ordering = ["-created_at", "-id"]
    found_by_id = ("id", "workspace", "account")
    found_by_text = ("stripe_session_id",)
    search_help_text = "An email address, or the whole id of an order or of a workspace, or of a session at Stripe"
    list_select_related = ["price__plan", "price__pack"]

    def headline(self, order: Order) -> str:
        return f"Order of {order.price.item} for {format_amount(order.price.amount_minor, order.price.currency)}"

    def standing(self, order: Order) -> Standing:
        return _STANDINGS[Order.State(order.state)]

    def facts(self, request: HttpRequest, order: Order) -> list[Fact]:
        account = admin_address("billing_account_change", order.account)
        has_account = request.user.has_perm("billing.view_account")
        at_stripe = gateway.dashboard_address(order.stripe_session_id or "")
        return [
            Fact("Customer", customer_link(request, order.workspace, whose.title_by_id(order.workspace))),
            Fact("Ordered", f"{at(order.created_at)}{f' by {order.actor}' if order.actor else ''}"),
            Fact("Price", str(order.price)),
            Fact("Credits", link(account if has_account else "", f"{order.credits:,} once it is paid")),
            Fact("Ended", at(order.closed_at)),
            Fact("Payment", self._payment(request, order)),
            Fact("At Stripe", link_outside(at_stripe, "The payment page") or order.stripe_session_id),
        ]

    def _payment(self, request: HttpRequest, order: Order) -> str:
        """Of a pack; a plan's payments come with its invoices."""
        if not request.user.has_perm("shop.view_payment"):
            return ""
        payment = Payment.objects.filter(order=order).values_list("id", flat=True).first()
        if payment is not None:
            return link(admin_address("shop_payment_change", payment), "The payment of this order")
        if order.state != Order.State.PAID:
            return ""
        return link(f"{admin_address('shop_payment_changelist')}?q={order.workspace}", "The customer's payments")
