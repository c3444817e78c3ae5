"""Mail, for staff: read only, and what was given up tried again."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.module_loading import import_string

from loremotion.detail_page import DetailPage, Fact, Standing, admin_address, customer_link, link
from loremotion.exact_search import ExactSearchAdmin
from loremotion.outbox import mail
from loremotion.outbox.models import MailMessage, State
from loremotion.outbox.standing import outgoing_facts, outgoing_standing
from loremotion.refusals import Refusal
from loremotion.row_acts import RowAct
from loremotion.staff_words import as_words
from loremotion.state_column import StateColumn


@admin.register(MailMessage)
class MailMessageAdmin(DetailPage, StateColumn, ExactSearchAdmin):
    list_display = ["written", "what", "recipient", "went", "attempts", "ended_at", "last_error"]
    list_filter = ["state"]
    ordering = ["-created_at", "-id"]
    found_by_id = ("about",)
    search_help_text = "The whole id of what it is about, such as a clip, or the whole address of an account"
    list_select_related = ["user", "workspace"]
    exclude = ["sealed", "address"]
    actions = ["retry_selected"]
    row_acts: ClassVar = {"retry_selected": RowAct("Send again", is_offered=lambda mail: mail.state == State.DEAD)}

    def called(self, wanted: str) -> Q:
        """Mail to the account of this address."""
        people = get_user_model()._default_manager.filter(email__iexact=wanted)
        return Q(user__in=list(people.values_list("id", flat=True)[:1]))

    @admin.display(ordering="created_at")
    def written(self, message: MailMessage) -> datetime:
        return message.created_at

    @admin.display(description="mail")
    def what(self, message: MailMessage) -> str:
        """What it tells. Of one that has no name any more, the function that put it into words."""
        own = as_words(message.content.rpartition(".")[2].removesuffix("_content"))
        return settings.MAIL_IS_CALLED.get(message.content, own)

    @admin.display(description="to")
    def recipient(self, message: MailMessage) -> str:
        """Whoever reports a clip or signs up has no account, and is nobody that staff has to know."""
        return message.user.email if message.user is not None else "somebody without an account"

    def headline(self, message: MailMessage) -> str:
        return f"Mail to {self.recipient(message)}: {self.what(message)}"

    def noted_as(self, message: MailMessage) -> str:
        """Not to whom: the log outlives the account."""
        return self.what(message)

    def standing(self, message: MailMessage) -> Standing:
        return outgoing_standing(message)

    def facts(self, request: HttpRequest, message: MailMessage) -> list[Fact]:
        workspace = message.workspace
        page, permission = settings.MAIL_IS_ABOUT.get(message.content, ("", ""))
        about = admin_address(page, message.about) if page and request.user.has_perm(permission) else ""
        title = import_string(settings.CUSTOMER_TITLE)(workspace.pk) if workspace is not None else ""
        user = message.user
        may_look = user is not None and request.user.has_perm("accounts.view_user")
        account = admin_address("accounts_user_change", user.pk) if user is not None and may_look else ""
        return [
            Fact("To", link(account, self.recipient(message))),
            Fact("Customer", customer_link(request, workspace.pk, title) if workspace is not None else ""),
            Fact("Subject", mail.subject_of(message)),
            Fact("About", link(about, message.about)),
            *outgoing_facts(message),
        ]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("outbox.retry_mailmessage")

    @admin.action(description="Send again", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[MailMessage]) -> None:
        for message in queryset:
            try:
                mail.retry(message)
            except Refusal as refusal:
                self.message_user(request, f"{self.headline(message)}: {refusal}", messages.WARNING)
            else:
                self.note(request, message, "Sent the mail again.")
                self.message_user(request, f"{self.headline(message)}: it is sent again.", messages.SUCCESS)
