"""Comparisons with Stripe, for staff."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import whose
from billing.shop import balance, gateway
from billing.shop.models import Payment, Reconciliation
from billing.shop.money import format_amount
from loremotion.detail_page import DetailPage, Fact, Standing, admin_address, at, customer_link
from loremotion.read_only_admin import ReadOnlyAdmin

MOST_SHOWN = 200
"""Differences on one page, those that staff has to look at first."""


@admin.register(Reconciliation)
class ReconciliationAdmin(DetailPage, ReadOnlyAdmin):
    """Each comparison with Stripe, what differed, and whether it is mended."""

    list_display = ["began_at", "compared", "checked", "missed", "differences", "finished_at"]
    list_filter = ["kind"]
    ordering = ["-began_at", "-id"]
    change_form_template = "admin/shop/reconciliation/change_form.html"
    fields = ("kind", "began_at", "finished_at", "read_until", "checked", "missed")
    readonly_fields = fields

    @admin.display(ordering="kind")
    def compared(self, comparison: Reconciliation) -> str:
        return comparison.get_kind_display().capitalize()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("mismatches")

    @admin.display()
    def differences(self, comparison: Reconciliation) -> str:
        found = list(comparison.mismatches.all())
        unmended = sum(not one.is_mended for one in found)
        url = reverse("admin:shop_reconciliation_change", args=[comparison.pk])
        return format_html('<a href="{}">{}, {} not mended</a>', url, len(found), unmended) if found else "none"

    def headline(self, comparison: Reconciliation) -> str:
        return f"Comparison with Stripe of {at(comparison.began_at)}"

    def standing(self, comparison: Reconciliation) -> Standing:
        left = sum(not one.is_mended for one in comparison.mismatches.all())
        if comparison.finished_at is None:
            return Standing("Under way", "at-work")
        if left:
            why = "Compare each payment here and at Stripe. The next comparison clears what says the same by then."
            return Standing(f"{left} {'difference' if left == 1 else 'differences'} left to you", "bad", why)
        return Standing("Nothing is left to you", "good")

    def facts(self, request: HttpRequest, comparison: Reconciliation) -> list[Fact]:
        money = format_html_join("", "<div>{}</div>", ((line,) for line in balance.in_words(comparison.balance)))
        return [
            Fact("Compared", comparison.get_kind_display().capitalize()),
            Fact("Began", at(comparison.began_at)),
            Fact("Finished", at(comparison.finished_at)),
            Fact("Looked at", f"{comparison.checked:,}"),
            Fact("Events that no webhook had brought", f"{comparison.missed:,}" if comparison.missed else ""),
            Fact("Account at Stripe", money),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With its differences, each with the payment that it is about."""
        comparison = self.get_object(request, object_id)
        rows = self._rows(request, comparison) if comparison is not None else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "differences": rows})

    def _rows(self, request: HttpRequest, comparison: Reconciliation) -> list[dict[str, Any]]:
        found = sorted(comparison.mismatches.all(), key=lambda one: (one.is_mended, one.pk))[:MOST_SHOWN]
        payments = {
            each.source: each
            for each in Payment.objects.filter(source__in={one.subject for one in found}).select_related(
                "price__plan", "price__pack"
            )
        }
        titles = whose.titles(each.workspace for each in payments.values())
        return [self._row(request, one, payments.get(one.subject), titles) for one in found]

    def _row(self, request: HttpRequest, one: Any, payment: Payment | None, titles: dict[Any, str]) -> dict[str, Any]:
        kind, _, name = one.subject.partition(":")
        at_stripe = gateway.dashboard_address(name) if kind == "invoice" else ""
        customer: SafeString | str = ""
        its_page, what = "", one.subject
        if payment is not None:
            its_name = payment.stripe_payment_intent_id or payment.stripe_invoice_id
            at_stripe = gateway.dashboard_address(its_name) or at_stripe
            what = f"{format_amount(payment.amount_minor, payment.currency)} for {payment.price.item}"
            customer = customer_link(request, payment.workspace, titles.get(payment.workspace, payment.workspace))
            if request.user.has_perm("shop.view_payment"):
                its_page = admin_address("shop_payment_change", payment.pk)
        return {"found": one, "what": what, "page": its_page, "at_stripe": at_stripe, "customer": customer}
