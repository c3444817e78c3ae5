"""Endpoints and what was sent to them, for staff: read only, without secrets, and what was given up tried again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.whose_column import WhoseColumn
from generation.webhooks import endpoints
from generation.webhooks.models import Delivery, Endpoint
from loremotion.exact_search import ExactSearchAdmin
from loremotion.outbox.models import State
from loremotion.refusals import Refusal
from loremotion.row_acts import RowAct, RowActs


class FailingFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "failing"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", "Failing")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
        failing = queryset.filter(failing_since__isnull=False, disabled_at__isnull=True)
        return failing if self.value() else queryset


@admin.register(Endpoint)
class EndpointAdmin(WhoseColumn, ExactSearchAdmin):
    list_display = ["name", "url", "whose", "failures", "failing_since", "disabled_at"]
    list_filter = [FailingFilter]
    ordering = ["-created_at", "-id"]
    whose_field = "workspace_id"
    found_by_id = ("id", "workspace")
    found_by_text = ("url",)
    search_help_text = "The whole id of an endpoint or of a workspace, or the whole address"
    exclude = ["sealed_secret", "old_sealed_secret"]


@admin.register(Delivery)
class DeliveryAdmin(RowActs, ExactSearchAdmin):
    list_display = ["written", "event_type", "endpoint", "clip", "state", "attempts", "last_status", "last_error"]
    list_select_related = ["endpoint"]
    list_filter = ["state"]
    ordering = ["-id"]
    found_by_id = ("endpoint", "video_id")
    found_by_text = ("event_id",)
    search_help_text = "The whole id of an endpoint, of a clip or of an event"
    actions = ["retry_selected"]
    row_acts: ClassVar = {"retry_selected": RowAct("Send again", is_offered=lambda event: event.state == State.DEAD)}

    @admin.display()
    def written(self, delivery: Delivery) -> datetime:
        return delivery.created_at

    @admin.display(empty_value="")
    def clip(self, delivery: Delivery) -> SafeString | str:
        """By the beginning of its id, which leads to it; a test of an endpoint is about none."""
        if delivery.video_id is None:
            return ""
        address = reverse("admin:generation_generation_change", args=[delivery.video_id])
        return format_html('<a href="{}">{}…</a>', address, delivery.video_id.hex[:8])

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.retry_delivery")

    @admin.action(description="Send again", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        for delivery in queryset.select_related("endpoint"):
            try:
                endpoints.redeliver(delivery)
            except Refusal as refusal:
                self.message_user(request, f"{delivery}: {refusal}", messages.WARNING)
            else:
                self.log_change(request, delivery, "Sent the event again.")
                self.message_user(request, f"{delivery}: it is sent again.", messages.SUCCESS)
