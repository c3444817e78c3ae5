"""Endpoints and what was sent to them, for staff: read only, without secrets, and what was given up tried again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from generation.webhooks import endpoints
from generation.webhooks.models import Delivery, Endpoint
from loremotion.read_only_admin import ReadOnlyAdmin
from loremotion.refusals import Refusal


@admin.register(Endpoint)
class EndpointAdmin(ReadOnlyAdmin):
    list_display = ["name", "url", "workspace", "failures", "failing_since", "disabled_at"]
    list_select_related = ["workspace"]
    search_fields = ["id", "url", "workspace__id"]
    exclude = ["sealed_secret", "old_sealed_secret"]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["id", "event_type", "video_id", "state", "attempts", "due_at", "last_status", "last_error"]
    list_filter = ["state", "event_type"]
    search_fields = ["event_id", "endpoint__id"]
    actions = ["retry_selected"]

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
                self.log_change(request, delivery, "Sent again.")
