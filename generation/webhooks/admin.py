"""Endpoints and what was sent to them, for staff: read only, without secrets."""

from __future__ import annotations

from django.contrib import admin

from generation.webhooks.models import Delivery, Endpoint
from loremotion.read_only_admin import ReadOnlyAdmin


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
