"""Mail, for staff: read only."""

from __future__ import annotations

from django.contrib import admin

from loremotion.outbox.models import MailMessage
from loremotion.read_only_admin import ReadOnlyAdmin


@admin.register(MailMessage)
class MailMessageAdmin(ReadOnlyAdmin):
    list_display = ["id", "content", "recipient", "state", "attempts", "due_at", "ended_at", "last_error"]
    list_filter = ["state", "content"]
    list_select_related = ["user"]
    exclude = ["sealed"]
