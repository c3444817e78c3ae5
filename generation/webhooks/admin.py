"""Endpoints and what was sent to them, for staff: read only, without secrets, and what was given up tried again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import whose
from accounts.whose_column import WhoseColumn
from generation.webhooks import endpoints
from generation.webhooks.models import Delivery, Endpoint
from loremotion.detail_page import DetailPage, Fact, Standing, admin_address, at, customer_link, link
from loremotion.exact_search import ExactSearchAdmin
from loremotion.outbox.models import State
from loremotion.outbox.standing import outgoing_facts, outgoing_standing
from loremotion.refusals import Refusal
from loremotion.row_acts import RowAct
from loremotion.state_column import StateColumn


class FailingFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "failing"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", "Failing")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> QuerySet[Endpoint]:
        failing = queryset.filter(failing_since__isnull=False, disabled_at__isnull=True)
        return failing if self.value() else queryset


@admin.register(Endpoint)
class EndpointAdmin(DetailPage, WhoseColumn, ExactSearchAdmin):
    list_display = ["name", "address", "whose", "failures", "failing_since", "disabled_at"]
    list_filter = [FailingFilter]
    ordering = ["-created_at", "-id"]
    whose_field = "workspace_id"
    found_by_id = ("id", "workspace")
    found_by_text = ("url",)
    search_help_text = "The whole id of an endpoint or of a workspace, or the whole address"
    exclude = ["sealed_secret", "old_sealed_secret"]

    @admin.display(ordering="url")
    def address(self, endpoint: Endpoint) -> str:
        return endpoint.url

    def headline(self, endpoint: Endpoint) -> str:
        return f"Webhook endpoint {endpoint.name}"

    def standing(self, endpoint: Endpoint) -> Standing:
        if endpoint.disabled_at is not None:
            return Standing(f"Disabled on {at(endpoint.disabled_at)}", "away", endpoint.disabled_because)
        if endpoint.failing_since is not None:
            why = "The customer's server does not accept events: tell them."
            return Standing(f"Failing since {at(endpoint.failing_since)}", "bad", why)
        return Standing("Takes events", "good")

    def facts(self, request: HttpRequest, endpoint: Endpoint) -> list[Fact]:
        resumes = endpoint.resumes_at
        is_left_alone = endpoint.is_enabled and endpoint.failing_since is not None and resumes > timezone.now()
        may_look = request.user.has_perm("webhooks.view_delivery")
        sent = f"{admin_address('webhooks_delivery_changelist')}?q={endpoint.pk}" if may_look else ""
        return [
            Fact("Customer", customer_link(request, endpoint.workspace_id, whose.title_by_id(endpoint.workspace_id))),
            Fact("Address", endpoint.url),
            Fact("Failures in a row", f"{endpoint.failures:,}" if endpoint.failures else ""),
            Fact("Left alone until", at(resumes) if is_left_alone else ""),
            Fact("What was sent", link(sent, "Its events") if sent else ""),
            Fact("Told of", ", ".join(endpoint.event_types)),
            Fact("Added", at(endpoint.created_at)),
        ]


@admin.register(Delivery)
class DeliveryAdmin(DetailPage, StateColumn, ExactSearchAdmin):
    list_display = ["written", "event_type", "endpoint", "clip", "went", "attempts", "answer", "last_error"]
    list_select_related = ["endpoint"]
    list_filter = ["state"]
    ordering = ["-created_at", "-id"]
    found_by_id = ("endpoint", "video_id")
    found_by_text = ("event_id",)
    search_help_text = "The whole id of an endpoint, of a clip or of an event"
    actions = ["retry_selected"]
    row_acts: ClassVar = {"retry_selected": RowAct("Send again", is_offered=lambda event: event.state == State.DEAD)}

    @admin.display(ordering="created_at")
    def written(self, delivery: Delivery) -> datetime:
        return delivery.created_at

    @admin.display(empty_value="")
    def clip(self, delivery: Delivery) -> SafeString | str:
        """By the beginning of its id, which leads to it; a test of an endpoint is about none."""
        if delivery.video_id is None:
            return ""
        address = reverse("admin:generation_generation_change", args=[delivery.video_id])
        return format_html('<a href="{}">{}…</a>', address, delivery.video_id.hex[:8])

    @admin.display(description="HTTP status", ordering="last_status", empty_value="")
    def answer(self, delivery: Delivery) -> int | None:
        return delivery.last_status

    def headline(self, delivery: Delivery) -> str:
        return f"Webhook event {delivery.event_type} to {delivery.endpoint.name}"

    def noted_as(self, delivery: Delivery) -> str:
        return f"{delivery.event_type} to {delivery.endpoint.name}"

    def standing(self, delivery: Delivery) -> Standing:
        return outgoing_standing(delivery)

    def facts(self, request: HttpRequest, delivery: Delivery) -> list[Fact]:
        endpoint = delivery.endpoint
        may_look = request.user.has_perm("webhooks.view_endpoint")
        its_page = admin_address("webhooks_endpoint_change", endpoint.pk) if may_look else ""
        may_look = delivery.video_id is not None and request.user.has_perm("generation.view_generation")
        clip = admin_address("generation_generation_change", delivery.video_id) if may_look else ""
        answered = f"HTTP {delivery.last_status}" if delivery.last_status else ""
        return [
            Fact("Customer", customer_link(request, endpoint.workspace_id, whose.title_by_id(endpoint.workspace_id))),
            Fact("Endpoint", link(its_page, endpoint.name)),
            Fact("Address", endpoint.url),
            Fact("Endpoint is", "" if endpoint.is_enabled else f"disabled: {endpoint.disabled_because}"),
            Fact("Clip", link(clip, delivery.video_id) if delivery.video_id else ""),
            Fact("Answered", answered),
            Fact("With", delivery.last_answer[:500]),
            Fact("Last try", at(delivery.last_attempt_at)),
            *outgoing_facts(delivery),
            Fact("Event", delivery.event_id),
        ]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.retry_delivery")

    @admin.action(description="Send again", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        for delivery in queryset.select_related("endpoint"):
            try:
                endpoints.redeliver(delivery)
            except Refusal as refusal:
                self.message_user(request, f"{self.headline(delivery)}: {refusal}", messages.WARNING)
            else:
                self.note(request, delivery, "Sent the event again.")
                self.message_user(request, f"{self.headline(delivery)}: it is sent again.", messages.SUCCESS)
