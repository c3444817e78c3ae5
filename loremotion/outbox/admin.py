"""Mail, for staff: read only, and what was given up tried again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from loremotion.outbox import mail
from loremotion.outbox.models import MailMessage
from loremotion.read_only_admin import ReadOnlyAdmin
from loremotion.refusals import Refusal


@admin.register(MailMessage)
class MailMessageAdmin(ReadOnlyAdmin):
    list_display = ["id", "content", "account", "state", "attempts", "due_at", "ended_at", "last_error"]
    list_filter = ["state", "content"]
    list_select_related = ["user"]
    exclude = ["sealed", "address"]
    actions = ["retry_selected"]

    @admin.display(description="to")
    def account(self, message: MailMessage) -> str:
        """Whoever reports a clip or signs up has no account, and is nobody that staff has to know."""
        return message.user.email if message.user is not None else "somebody without an account"

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("outbox.retry_mailmessage")

    @admin.action(description="Try again what was given up", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[MailMessage]) -> None:
        for message in queryset:
            try:
                mail.retry(message)
            except Refusal as refusal:
                self.message_user(request, f"{message}: {refusal}", messages.WARNING)
            else:
                self.log_change(request, message, "Tried again.")
