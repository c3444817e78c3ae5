"""Plans that are paid for again and again, for staff: how each stands, and what Stripe does about it."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from accounts import whose
from accounts.whose_column import WhoseColumn
from billing.shop import gateway
from billing.shop.list_filters import StatusFilter, in_words
from billing.shop.models import Subscription
from loremotion.detail_page import DetailPage, Fact, Standing, at, customer_link, link_outside
from loremotion.exact_search import ExactSearchAdmin


@admin.register(Subscription)
class SubscriptionAdmin(DetailPage, WhoseColumn, ExactSearchAdmin):
    list_display = ["whose", "price", "in_words", "period_end", "ends_at", "past_due_since", "at_stripe"]
    list_display_links = ["price"]
    list_filter = [StatusFilter]
    ordering = ["-id"]
    found_by_id = ("workspace",)
    found_by_text = ("stripe_subscription_id",)
    search_help_text = "An email address, or the whole id of a workspace, or of a subscription at Stripe"
    list_select_related = ["price__plan", "price__pack"]

    @admin.display(description="status", ordering="status")
    def in_words(self, subscription: Subscription) -> str:
        return in_words(subscription.status)

    @admin.display(description="at Stripe", ordering="stripe_subscription_id")
    def at_stripe(self, subscription: Subscription) -> str:
        return subscription.stripe_subscription_id

    def headline(self, subscription: Subscription) -> str:
        return f"{subscription.plan.name} of {whose.title_by_id(subscription.workspace)}"

    def standing(self, subscription: Subscription) -> Standing:
        words = self.in_words(subscription)
        if subscription.is_late:
            why = "Stripe tries the card again and mails them; help those who write."
            return Standing(f"{words} since {at(subscription.past_due_since)}".removesuffix(" since "), "bad", why)
        return Standing(words, "good" if subscription.status in ("active", "trialing") else "away")

    def facts(self, request: HttpRequest, subscription: Subscription) -> list[Fact]:
        workspace, declined = subscription.workspace, subscription.failed_attempts
        return [
            Fact("Customer", customer_link(request, workspace, whose.title_by_id(workspace))),
            Fact("Price", str(subscription.price)),
            Fact("Declined", f"{declined} times" if declined > 1 else "once" if declined else ""),
            Fact("Plan kept until", at(subscription.grace_ends_at)),
            Fact("Paid until", at(subscription.period_end)),
            Fact("Ends", at(subscription.ends_at)),
            Fact("Price from then on", str(subscription.next_price) if subscription.next_price is not None else ""),
            Fact("At Stripe", link_outside(gateway.dashboard_address(subscription.stripe_subscription_id), "The plan")),
        ]
