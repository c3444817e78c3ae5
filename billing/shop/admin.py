"""The shop as staff sees it: what is sold is edited here; what was bought is read, refunded and replayed."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from accounts import whose
from accounts.whose_column import WhoseColumn
from billing.models import LOT_TITLES
from billing.shop import budget_admin as budget_admin  # its pages are registered with these, as are the next ones'
from billing.shop import disputes, gateway, liability, refunds
from billing.shop import event_admin as event_admin
from billing.shop import order_admin as order_admin
from billing.shop import reconciliation_admin as reconciliation_admin
from billing.shop import subscription_admin as subscription_admin
from billing.shop.list_filters import DisputedFilter, PaidFilter
from billing.shop.models import Pack, Payment, Plan, Price
from billing.shop.money import format_amount, parse
from loremotion.detail_page import DetailPage, Fact, Standing, admin_address, at, customer_link, link, link_outside
from loremotion.exact_search import ExactSearchAdmin
from loremotion.number_column import number_column
from loremotion.refusals import Invalid, Refusal
from loremotion.row_acts import RowLink
from loremotion.staff_pages import RightLacking

NOT_CONNECTED = "This site is not connected to Stripe: set STRIPE_SECRET_KEY, or refund it in Stripe's dashboard."

WITHDRAWN_INSTEAD = (
    "It has a price, which receipts name for ever. Take “Is offered” off instead: nobody can buy it then."
)


class PriceInline(admin.TabularInline[Price, Any]):
    """Prices are added and withdrawn. What one says never changes, because somebody may have bought at it."""

    model = Price
    extra = 0
    can_delete = False
    fields = ["interval", "currency", "amount_minor", "is_offered", "stripe_price_id"]
    readonly_fields = ["stripe_price_id"]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, form=PriceForm, **kwargs)


class PriceForm(forms.ModelForm[Price]):
    class Meta:
        model = Price
        fields = ["interval", "currency", "amount_minor", "is_offered"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for name in ("interval", "currency", "amount_minor"):
                self.fields[name].disabled = True
                self.fields[name].help_text = "Never changes: withdraw this price and add another."


@admin.register(Plan)
class PlanAdmin(admin.ModelAdmin[Plan]):
    list_display = [
        "name",
        "is_offered",
        number_column("monthly_credits"),
        "open_clips_unpaid",
        "priority_weight",
        "retention_days",
    ]
    list_editable = ["is_offered"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [PriceInline]
    instead: ClassVar = {"delete": WITHDRAWN_INSTEAD}

    @admin.display(description="open clips while it pays nothing", ordering="open_clips")
    def open_clips_unpaid(self, plan: Plan) -> int:
        return plan.open_clips

    def has_delete_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        if obj is not None and obj.slug == Plan.FREE:
            return False
        return super().has_delete_permission(request, obj) and (obj is None or not obj.prices.exists())


@admin.register(Pack)
class PackAdmin(admin.ModelAdmin[Pack]):
    list_display = ["name", number_column("credits"), "is_offered", "position"]
    list_editable = ["is_offered", "position"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [PriceInline]
    instead: ClassVar = {"delete": WITHDRAWN_INSTEAD}

    def has_delete_permission(self, request: HttpRequest, obj: Pack | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not obj.prices.exists())


class RefundForm(forms.Form):
    """How much money goes back, and why."""

    amount = forms.CharField(label="Amount", max_length=20)
    reason = forms.CharField(label="Reason, kept in our books and at Stripe", max_length=300, required=False)
    after_refunds = forms.IntegerField(widget=forms.HiddenInput, required=False)
    attempt = forms.UUIDField(widget=forms.HiddenInput, required=False)


@admin.register(Payment)
class PaymentAdmin(DetailPage, WhoseColumn, ExactSearchAdmin):
    """Money that came, the credits it brought, and the way back for both."""

    list_display = [
        "paid_at",
        "whose",
        "price",
        "amount",
        "refunded",
        "dispute",
        number_column("credits"),
        number_column("clawed_credits", "credits taken back"),
    ]
    fields = (
        *("paid_at", "whose", "price", "amount", "refunded", "dispute_status", "dispute_due_at", "credits"),
        *("clawed_credits", "source", "stripe_invoice_id", "stripe_payment_intent_id", "invoice_url"),
    )
    readonly_fields = ("whose", "amount", "refunded")
    list_filter = [PaidFilter, DisputedFilter]
    ordering = ["-paid_at", "-id"]
    found_by_id = ("workspace", "account")
    found_by_text = ("source", "stripe_payment_intent_id", "stripe_invoice_id")
    search_help_text = "An email address, or the whole id of a workspace, or of a payment or an invoice at Stripe"
    list_select_related = ["price__plan", "price__pack"]
    row_links = (
        RowLink(
            "Refund…",
            lambda payment: reverse("admin:shop_refund", args=[payment.pk]),
            "shop.refund_payment",
            is_offered=lambda payment: payment.refunded_minor < payment.amount_minor,
            is_possible=gateway.is_on,
        ),
    )
    change_list_template = "admin/shop/payment/change_list.html"

    @admin.display(ordering="amount_minor")
    def amount(self, payment: Payment) -> str:
        return format_amount(payment.amount_minor, payment.currency)

    @admin.display(ordering="refunded_minor")
    def refunded(self, payment: Payment) -> str:
        return format_amount(payment.refunded_minor, payment.currency) if payment.refunded_minor else ""

    @admin.display(ordering="dispute_status")
    def dispute(self, payment: Payment) -> str:
        return disputes.in_words(payment)

    def headline(self, payment: Payment) -> str:
        return f"{self.amount(payment)} for {payment.price.item}"

    def standing(self, payment: Payment) -> Standing:
        if disputes.is_to_answer(payment):
            return Standing(capfirst(disputes.in_words(payment)), "bad", "Unanswered it is lost.")
        if payment.dispute_status:
            return Standing(capfirst(disputes.in_words(payment)), "away")
        if payment.refunded_minor:
            is_all = payment.refunded_minor >= payment.amount_minor
            return Standing("Refunded in full" if is_all else f"{self.refunded(payment)} of it refunded", "away")
        return Standing("Paid", "good")

    def facts(self, request: HttpRequest, payment: Payment) -> list[Fact]:
        title = whose.title_by_id(payment.workspace)
        has_account = request.user.has_perm("billing.view_account")
        account = admin_address("billing_account_change", payment.account) if has_account else ""
        at_stripe = gateway.dashboard_address(payment.stripe_payment_intent_id or payment.stripe_invoice_id)
        taken = f", {payment.clawed_credits:,} of them taken back" if payment.clawed_credits else ""
        can_refund = gateway.is_on() or not request.user.has_perm("shop.refund_payment")
        return [
            Fact("Customer", customer_link(request, payment.workspace, title)),
            Fact("Paid", f"{self.amount(payment)} on {at(payment.paid_at)}"),
            Fact("Refunded", self.refunded(payment)),
            Fact("Disputed", format_amount(payment.disputed_minor, payment.currency) if payment.disputed_minor else ""),
            Fact("What to do", self._what_to_do(request, payment)),
            Fact("Credits", link(account, f"{payment.credits:,} granted{taken}")),
            Fact("At Stripe", link_outside(at_stripe, "The payment")),
            Fact("Invoice", link_outside(payment.invoice_url, "The customer's invoice")),
            Fact("Receipt", link_outside(payment.receipt_url, "The customer's receipt")),
            Fact("Refund", "" if can_refund else NOT_CONNECTED),
        ]

    def links_out(self, request: HttpRequest, payment: Payment) -> list[tuple[str, str]]:
        if not (disputes.is_to_answer(payment) and request.user.has_perm(disputes.ANSWERING)):
            return []
        address = gateway.dashboard_address(payment.stripe_payment_intent_id or "")
        return [(address, "Answer at Stripe")] if address else []

    def _what_to_do(self, request: HttpRequest, payment: Payment) -> str:
        """About its dispute; nothing where there is none to answer."""
        if not disputes.is_to_answer(payment):
            return ""
        whose_turn = "Answer it at Stripe" if request.user.has_perm(disputes.ANSWERING) else disputes.TELL_FINANCE
        return f"{whose_turn}, by {at(payment.dispute_due_at)}." if payment.dispute_due_at else f"{whose_turn}."

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("liability/", self.admin_site.admin_view(self.liability), name="shop_liability"),
            path("<int:payment_id>/refund/", self.admin_site.admin_view(self.refund), name="shop_refund"),
        ]
        return [*own, *super().get_urls()]

    def liability(self, request: HttpRequest) -> HttpResponse:
        """Unspent and lapsed credits by the month in which they were paid for, as they were counted last."""
        if not request.user.has_perm("shop.view_revenue"):
            raise RightLacking("shop.view_revenue")
        counted = liability.last_count()
        rows = [
            (month, format_amount(month.paid_minor, month.currency), format_amount(month.unspent_minor, month.currency))
            for month in (counted.months if counted else ())
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Unspent and lapsed credits",
            "opts": self.model._meta,
            "counted": counted,
            "rows": rows,
            "given": [(LOT_TITLES.get(kind, kind), each) for kind, each in counted.given.items()] if counted else [],
        }
        return render(request, "admin/shop/payment/liability.html", context)

    def refund(self, request: HttpRequest, payment_id: int) -> HttpResponse:
        """First what it would do, then, sent again with a reason, doing it."""
        if not request.user.has_perm("shop.refund_payment"):
            raise RightLacking("shop.refund_payment")
        payment = get_object_or_404(Payment.objects.select_related("price__plan", "price__pack"), pk=payment_id)
        left = (
            format_amount(payment.amount_minor - payment.refunded_minor, payment.currency).lstrip("$€£¥").split(" ")[0]
        )
        form = RefundForm(request.POST or None, initial={"amount": left})
        context: dict[str, Any] = {"title": f"Refund {self.headline(payment)}", "payment": payment, "form": form}
        context |= {"dispute": disputes.in_words(payment), "not_connected": "" if gateway.is_on() else NOT_CONNECTED}
        context |= {"headline": self.headline(payment), "customer": whose.title_by_id(payment.workspace)}
        context["refunded_minor"] = payment.refunded_minor
        is_sound = form.is_valid()
        # It may have been done: what was confirmed is sent again as the same attempt, since a new one refunds anew.
        is_confirmed = "confirm" in request.POST and form.cleaned_data.get("attempt") is not None
        context["is_unanswered"] = is_confirmed
        if is_sound and gateway.is_on():
            try:
                amount_minor = self._amount(form, payment)
                if "confirm" in request.POST:
                    return self._refund(request, payment, amount_minor, form)
                seen = refunds.preview(payment, amount_minor)
                already = max(seen.refunded_minor, payment.refunded_minor)
                context |= {"preview": seen, "amount_minor": amount_minor, "refunded_minor": already}
            except Refusal as refusal:
                form.add_error(None, str(refusal))
                context["is_unanswered"] = is_confirmed and refusal.code not in refunds.NOT_DONE
        context = {**self.admin_site.each_context(request), **context, "opts": self.model._meta}
        return render(request, "admin/shop/payment/refund.html", context)

    def _amount(self, form: RefundForm, payment: Payment) -> int:
        try:
            return parse(form.cleaned_data["amount"], payment.currency)
        except ValueError:
            raise Invalid("bad_amount", "Write an amount such as 9.99.", field="amount") from None

    def _refund(self, request: HttpRequest, payment: Payment, amount_minor: int, form: RefundForm) -> HttpResponse:
        attempt = form.cleaned_data["attempt"]
        if attempt is None:
            raise Invalid("not_previewed", "Look first at what it does.", field="amount")
        refunds.refund(
            payment,
            amount_minor=amount_minor,
            attempt=attempt,
            after_refunds=form.cleaned_data["after_refunds"] or 0,
            actor=str(request.user),
            reason=form.cleaned_data["reason"],
        )
        self.log_change(request, payment, f"Refunded {format_amount(amount_minor, payment.currency)}")
        self.message_user(request, f"{format_amount(amount_minor, payment.currency)} go back.", messages.SUCCESS)
        return redirect("admin:shop_payment_change", payment.pk)
