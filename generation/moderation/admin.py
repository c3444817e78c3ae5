"""What people asked to be looked at, for staff: who decides, says why."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse

from accounts import audit, whose
from accounts.whose_column import WhoseColumn
from generation.models.files import output_key
from generation.moderation import reviews
from generation.moderation.models import Guard, PlanPolicy, Policy, RefusalCount, Review
from generation.storage import serving
from loremotion.detail_page import customer_link
from loremotion.exact_search import ExactSearchAdmin
from loremotion.headed import Headed
from loremotion.refusals import Refusal
from loremotion.row_acts import RowActs, RowLink
from loremotion.staff_pages import RightLacking


class DecisionForm(forms.Form):
    """Yes or no is the button's; the reasons are read by whoever asked."""

    statement = forms.CharField(label="Reasons, as they read them", max_length=1000, widget=forms.Textarea)


class StateFilter(admin.SimpleListFilter):
    """The list's filter by state. Without a choice it shows what waits."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(Review.State.ALLOWED, "Allowed"), (Review.State.REFUSED, "Not allowed"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "Waiting"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value == "all" else queryset.filter(state=value or Review.State.WAITING)


@admin.register(Review)
class ReviewAdmin(Headed, RowActs, WhoseColumn, ExactSearchAdmin):
    """Oldest first. The prompt itself is shown on the page of one, not in the list."""

    list_display = ["created_at", "category", "outcome", "words", "whose", "state", "decided_by"]
    list_filter = [StateFilter, "category"]
    list_select_related = ["decided_by"]
    whose_field = "workspace_id"
    found_by_id = ("id", "workspace")
    search_help_text = "The whole id of a review or of a workspace"
    ordering = ["created_at", "id"]
    change_form_template = "admin/moderation/review/change_form.html"
    row_links = (
        RowLink(
            "Decide…",
            lambda review: reverse("admin:moderation_review_decide", args=[review.pk]),
            "moderation.change_review",
            is_offered=lambda review: review.state == Review.State.WAITING,
        ),
    )

    def headline(self, review: Review) -> str:
        """Not its words: whoever only passes by need not read them."""
        outcome, category = review.get_outcome_display(), review.get_category_display()
        return f"Prompt {outcome} as {category}, {review.get_state_display()}".lower().capitalize()

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide_view)
        poster = self.admin_site.admin_view(self.poster_view)
        return [
            path("<uuid:review_id>/decide/", decide, name="moderation_review_decide"),
            path("<uuid:review_id>/poster/", poster, name="moderation_review_poster"),
            *super().get_urls(),
        ]

    def poster_view(self, request: HttpRequest, review_id: UUID) -> HttpResponseBase:
        """The picture of a clip that was kept back. Its workspace reads in its audit log that somebody looked."""
        if not request.user.has_perm("moderation.change_review") or request.user.is_anonymous:
            raise RightLacking("moderation.change_review")
        review = get_object_or_404(Review.objects.select_related("workspace"), id=review_id, clip_id__isnull=False)
        key = output_key(str(review.clip_id), "poster")
        if not default_storage.exists(key):
            raise Http404
        subject, actor = str(review.clip_id), f"staff {request.user.email}"
        audit.record(review.workspace, "staff.looked", actor=actor, subject=subject, request=request)
        return serving.serve_file(request, key, "image/jpeg", reader=None)

    def decide_view(self, request: HttpRequest, review_id: UUID) -> HttpResponse:
        """The prompt, what the rules found in it, and a form to allow it or not."""
        if not request.user.has_perm("moderation.change_review") or request.user.is_anonymous:
            raise RightLacking("moderation.change_review")
        review = get_object_or_404(Review.objects.select_related("workspace"), id=review_id)
        form = DecisionForm(request.POST or None)
        if form.is_valid():
            if "allow" not in request.POST and "refuse" not in request.POST:
                raise Http404
            try:
                review = reviews.decide(
                    review.id,
                    staff=request.user,
                    is_allowed="allow" in request.POST,
                    statement=form.cleaned_data["statement"],
                )
            except Refusal as refusal:
                form.add_error(None, str(refusal))
            else:
                done = "Allowed" if review.state == Review.State.ALLOWED else "Refused"
                self.log_change(request, review, f"{done} the prompt: {review.statement}")
                messages.success(request, f"{review.get_state_display()}. Whoever asked has mail.")
                return redirect("admin:moderation_review_changelist")
        context = self.admin_site.each_context(request) | {
            "title": self.headline(review),
            "opts": self.model._meta,
            "review": review,
            "customer": customer_link(request, review.workspace_id, whose.title_by_id(review.workspace_id)),
            "form": form,
        }
        return render(request, "admin/moderation/review/decide.html", context)


@admin.register(RefusalCount)
class RefusalCountAdmin(WhoseColumn, ExactSearchAdmin):
    """Who is refused often, and for what."""

    told_above = (
        "How many prompts of a customer were refused each day, by category. Many in a row may be somebody who tries"
        " what gets through."
    )
    list_display = ["day", "whose", "category", "count"]
    list_filter = ["category"]
    whose_field = "workspace_id"
    found_by_id = ("workspace",)
    search_help_text = "The whole id of a workspace"
    ordering = ["-day", "-count"]


@admin.register(Policy)
class PolicyAdmin(WhoseColumn):
    """Workspaces that are judged by another measure than the site's."""

    told_above = (
        "Customers whose prompts are judged more strictly or less than the site's. Everybody else is by the site's."
    )
    list_display = ["workspace", "whose", "strictness", "reason"]
    whose_field = "workspace_id"
    raw_id_fields = ["workspace"]
    list_select_related = ["workspace"]
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> list[str]:
        return ["workspace"] if obj is not None else []


@admin.register(PlanPolicy)
class PlanPolicyAdmin(admin.ModelAdmin[PlanPolicy]):
    """Plans whose workspaces are judged by another measure than the site's."""

    told_above = (
        "Plans whose prompts are judged more strictly or less than the site's. A customer's own policy goes before it."
    )
    list_display = ["plan", "strictness"]
    list_select_related = ["plan"]
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: PlanPolicy | None = None) -> list[str]:
        return ["plan"] if obj is not None else []


@admin.register(Guard)
class GuardAdmin(admin.ModelAdmin[Guard]):
    """The one row of the guard model. Where it answers, ``GUARD_URL`` says."""

    list_display = ["__str__", "is_enabled", "model", "timeout_ms", "on_failure"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Guard | None = None) -> bool:
        return False
