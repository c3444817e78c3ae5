"""The ledger as staff sees it: an account's history with running balance, its lots, its holds. Nothing is edited here;
what staff gives or takes is a movement of its own, with a name and a reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse

from billing import ledger
from billing.models import Account, Hold, Lot

LINES_A_PAGE = 50
NEWEST_ROWS = 50
MOST_CREDITS_AT_ONCE = 1_000_000


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Shows rows that only the ledger writes. Counts nothing that grows without end."""

    show_full_result_count = False
    search_fields = ("id",)
    search_help_text = "A whole id"

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows that the whole of what was typed names; a part of it finds nothing, so no search reads the table."""
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(self.named_by(UUID(search_term.strip()))), False
        except ValueError:
            return queryset.filter(self.called(search_term.strip())), False

    def named_by(self, wanted: UUID) -> Q:
        """Rows that a UUID stands for."""
        return Q(account=wanted)

    def called(self, wanted: str) -> Q:
        """Rows that any other text stands for: none."""
        return Q(pk__in=[])


class AdjustmentForm(forms.Form):
    """Credits to give or to take, and why. The reference is made with the form, so sending it twice adjusts once."""

    amount = forms.IntegerField(
        min_value=-MOST_CREDITS_AT_ONCE,
        max_value=MOST_CREDITS_AT_ONCE,
        help_text="Credits to give; negative to take. They come as a lot of their own that does not expire.",
    )
    reason = forms.CharField(max_length=500, help_text="For whoever reads the history later.")
    reference = forms.UUIDField(widget=forms.HiddenInput)

    def clean_amount(self) -> int:
        amount = int(self.cleaned_data["amount"])
        if amount == 0:
            raise forms.ValidationError("Nothing is no adjustment: give a number other than 0.")
        return amount


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """A purse: what is in it now, lot by lot, and every movement with the balance after it."""

    list_display = ("id", "available", "held", "debt", "seq", "merged_into", "opened_at")
    ordering = ("-opened_at",)
    fields = ("id", "opened_at", "merged_into")
    readonly_fields = fields
    change_form_template = "admin/billing/account/timeline.html"

    def named_by(self, wanted: UUID) -> Q:
        return Q(id=wanted)

    def get_urls(self) -> list[URLPattern]:
        adjust = path(
            "<uuid:account>/adjust/", self.admin_site.admin_view(self.adjust_view), name="billing_account_adjust"
        )
        return [adjust, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404("No purse has this id: the workspace never had credits.")
        before = request.GET.get("before", "")
        lines = ledger.movements(
            account=account.id, before=int(before) if before.isdecimal() else None, limit=LINES_A_PAGE + 1
        )
        shown = lines[:LINES_A_PAGE]
        context = {
            "title": "Account",
            "balance": ledger.balance(account=account.id),
            "live_lots": ledger.lots(account=account.id),
            "other_lots": Lot.objects.filter(account=account, has_remaining=False).order_by("-granted_at")[
                :NEWEST_ROWS
            ],
            "holds": Hold.objects.filter(account=account).order_by("-held_at")[:NEWEST_ROWS],
            "lines": shown,
            "older_than": shown[-1].seq if len(lines) > LINES_A_PAGE else None,
            "may_adjust": request.user.has_perm("billing.adjust_credits"),
        }
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def adjust_view(self, request: HttpRequest, account: UUID) -> HttpResponse:
        """Give or take credits, by name and with a reason."""
        if not request.user.has_perm("billing.adjust_credits"):
            raise PermissionDenied
        purse = Account.objects.filter(id=account).first()
        if purse is None:
            raise Http404("No purse has this id: the workspace never had credits.")
        form = AdjustmentForm(request.POST or None, initial={"reference": uuid4()})
        if form.is_valid() and self._adjust(request, purse, form):
            return redirect(reverse("admin:billing_account_change", args=[account]))
        context = self.admin_site.each_context(request) | {
            "title": "Give or take credits",
            "opts": self.model._meta,
            "account": purse,
            "balance": ledger.balance(account=account),
            "form": form,
        }
        return render(request, "admin/billing/account/adjust.html", context)

    def _adjust(self, request: HttpRequest, account: Account, form: AdjustmentForm) -> bool:
        wanted = form.cleaned_data
        try:
            ledger.adjust(
                account=account.id,
                reference=f"staff:{wanted['reference']}",
                amount=wanted["amount"],
                actor=request.user.get_username(),
                reason=wanted["reason"],
            )
        except ledger.NotEnoughCredits as refusal:
            form.add_error("amount", f"Only {refusal.available} credits are available to take.")
            return False
        messages.success(request, f"{wanted['amount']:+d} credits: {wanted['reason']}")
        return True


@admin.register(Lot)
class LotAdmin(ReadOnlyAdmin):
    """Credits that came together, and where each of them is now."""

    list_display = (
        *("reference", "kind", "account", "expires_at", "issued"),
        *("remaining", "held", "consumed", "expired", "clawed", "adjusted", "moved", "repaid", "forgiven"),
    )
    list_filter = ("kind",)
    ordering = ("-id",)
    search_help_text = "A whole reference or account id"

    def called(self, wanted: str) -> Q:
        return Q(reference=wanted)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """What was set aside for each request, and how that ended."""

    list_display = ("id", "account", "amount", "state", "captured", "released", "held_at", "settled_at", "expires_at")
    list_filter = ("state",)
    ordering = ("-held_at",)
    search_help_text = "A whole request or account id"

    def named_by(self, wanted: UUID) -> Q:
        return Q(id=wanted) | Q(account=wanted)
