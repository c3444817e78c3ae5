"""What Stripe told us, for staff: read only, and what failed done again."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import whose
from billing.shop import gateway, inbox
from billing.shop.models import Customer, Order, Payment, StripeEvent, Subscription
from loremotion.detail_page import DetailPage, Fact, Standing, admin_address, at, customer_link, link, link_outside
from loremotion.exact_search import ExactSearchAdmin
from loremotion.row_acts import RowAct
from loremotion.staff_words import as_words
from loremotion.state_column import StateColumn

HEARD_FROM: Final = {"webhook": "a webhook", "list": "Stripe's list of events, as no webhook brought it"}


@admin.register(StripeEvent)
class StripeEventAdmin(DetailPage, StateColumn, ExactSearchAdmin):
    """The inbox. What failed says why, and can be replayed once that is mended."""

    list_display = ["received_at", "what", "about", "went", "attempts", "heard", "last_error"]
    list_filter = ["state"]
    ordering = ["-received_at", "-id"]
    found_by_text = ("event_id", "object_id")
    search_help_text = "The whole id of an event, or of what it is about, at Stripe"
    actions = ["replay"]
    row_acts: ClassVar = {
        "replay": RowAct("Process again", is_offered=lambda event: event.state == StripeEvent.State.DEAD)
    }

    @admin.display(description="what", ordering="type")
    def what(self, event: StripeEvent) -> str:
        return as_words(event.type)

    @admin.display(ordering="object_id")
    def about(self, event: StripeEvent) -> str:
        return event.object_id

    @admin.display(description="told by", ordering="heard_from")
    def heard(self, event: StripeEvent) -> str:
        return HEARD_FROM.get(event.heard_from, event.heard_from)

    def headline(self, event: StripeEvent) -> str:
        return f"Stripe event: {as_words(event.type).lower()}"

    def noted_as(self, event: StripeEvent) -> str:
        return as_words(event.type).lower()

    def standing(self, event: StripeEvent) -> Standing:
        match event.state:
            case StripeEvent.State.DEAD:
                return Standing("Failed, and not tried again by itself", "bad", event.last_error)
            case StripeEvent.State.NEW:
                return Standing(f"Waiting, next attempt {at(event.due_at)}", "", event.last_error)
        return Standing("Done", "good")

    def facts(self, request: HttpRequest, event: StripeEvent) -> list[Fact]:
        workspace, payment = _about(event.object_id)
        title = whose.title_by_id(workspace) if workspace is not None else ""
        may_look = payment is not None and request.user.has_perm("shop.view_payment")
        its_page = admin_address("shop_payment_change", payment.pk) if payment is not None and may_look else ""
        at_stripe = link_outside(gateway.dashboard_address(event.object_id), event.object_id)
        return [
            Fact("Customer", customer_link(request, workspace, title)),
            Fact("Payment", link(its_page, "Its payment here") if its_page else ""),
            Fact("About", at_stripe or event.object_id),
            Fact("Event", event.event_id),
            Fact("Told by", self.heard(event)),
            Fact("Received", at(event.received_at)),
            Fact("Attempts", f"{event.attempts} of {StripeEvent.MOST_ATTEMPTS}"),
            Fact("Ended", at(event.ended_at)),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("shop.change_stripeevent")

    @admin.action(description="Process again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> None:
        for event in queryset:
            inbox.replay(event)
            self.note(request, event, "Had the event processed again.")
        self.message_user(request, f"{len(queryset)} will be processed again.")


def _about(object_id: str) -> tuple[UUID | None, Payment | None]:
    """Whose it is and the payment it is about, as far as our rows name the object. Each look-up is by an index."""
    for payments in (
        Payment.objects.filter(stripe_payment_intent_id=object_id),
        Payment.objects.filter(stripe_invoice_id=object_id or None),
        Payment.objects.filter(order__in=Order.objects.filter(stripe_session_id=object_id)),
    ):
        payment = payments.first()
        if payment is not None:
            return payment.workspace, payment
    for rows in (
        Order.objects.filter(stripe_session_id=object_id),
        Subscription.objects.filter(stripe_subscription_id=object_id),
        Customer.objects.filter(stripe_customer_id=object_id),
    ):
        found: UUID | None = rows.values_list("workspace", flat=True).first()
        if found is not None:
            return found, None
    return None, None
