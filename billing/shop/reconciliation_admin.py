"""Comparisons with Stripe, for staff."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from billing.shop import balance
from billing.shop.models import Mismatch, Reconciliation
from loremotion.read_only_admin import ReadOnlyAdmin


class MismatchInline(admin.TabularInline[Mismatch, Reconciliation]):
    model = Mismatch
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """Each comparison with Stripe, what differed, and whether it is mended."""

    list_display = ["began_at", "kind", "checked", "missed", "differences", "finished_at"]
    list_filter = ["kind"]
    ordering = ["-id"]  # each begins after the one before it
    inlines = [MismatchInline]
    fields = ("kind", "began_at", "finished_at", "read_until", "checked", "missed", "statement")
    readonly_fields = fields

    @admin.display(description="Account at Stripe")
    def statement(self, comparison: Reconciliation) -> str:
        """Money by currency on both sides, and what Stripe kept of it."""
        return format_html_join("", "<p>{}</p>", ((line,) for line in balance.in_words(comparison.balance)))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("mismatches")

    @admin.display()
    def differences(self, comparison: Reconciliation) -> str:
        found = list(comparison.mismatches.all())
        unmended = sum(not one.is_mended for one in found)
        url = reverse("admin:shop_reconciliation_change", args=[comparison.pk])
        return format_html('<a href="{}">{}, {} not mended</a>', url, len(found), unmended) if found else "none"
