"""What was told to whom, for staff: read only, without secrets."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from generation.outbox.models import Delivery, Endpoint, Letter


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin):
    list_display = ["id", "kind", "recipient", "state", "attempts", "due_at", "ended_at", "last_error"]
    list_filter = ["state", "kind"]
    list_select_related = ["user"]
