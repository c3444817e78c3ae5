"""What people reported, for staff: what is due first stands first, and who decides, says why."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timesince import timeuntil

from accounts import audit, impersonation, whose
from accounts.models import AuditEntry, User
from accounts.whose_column import WhoseColumn
from generation.models import Clip
from generation.notices import notices
from generation.notices.models import Notice
from generation.storage import serving
from loremotion.detail_page import customer_link
from loremotion.exact_search import ExactSearchAdmin
from loremotion.headed import Headed
from loremotion.refusals import Refusal
from loremotion.row_acts import RowActs, RowLink
from loremotion.staff_pages import RightLacking

DONE: Final = {
    Notice.State.REMOVED: "Took down",
    Notice.State.KEPT: "Left as it is",
    Notice.State.UPHELD: "Kept down",
    Notice.State.RESTORED: "Restored",
}
"""How a decision ends → what was done, for the admin's notes."""


class DecisionForm(forms.Form):
    """Down or not is the button's; the reasons are read by both sides."""

    decision = forms.CharField(label="Reasons, shown to both sides", max_length=2000, widget=forms.Textarea)


class StateFilter(admin.SimpleListFilter):
    """The list's filter by state. Without a choice it shows what waits."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [*((value, str(label)) for value, label in Notice.State.choices), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "To decide"}, *others]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value == "all":
            return queryset
        return queryset.filter(state=value) if value else queryset.filter(state__in=Notice.WAITING)


@admin.register(Notice)
class NoticeAdmin(Headed, RowActs, WhoseColumn, ExactSearchAdmin):
    """By what is due first."""

    list_display = ["due", "category", "address", "whose", "state", "decided_by"]
    list_filter = [StateFilter, "category", "is_found"]
    list_select_related = ["decided_by"]
    whose_field = "workspace_id"
    found_by_id = ("id", "clip_id")
    found_by_text = ("contact",)
    search_help_text = "The whole id of a report or of a clip, or the whole address of whoever sent it"
    exclude = ["contact", "sha256", "perceptual_hash"]
    change_form_template = "admin/notices/notice/change_form.html"
    row_links = (
        RowLink(
            "Decide…",
            lambda notice: reverse("admin:notices_notice_decide", args=[notice.pk]),
            "notices.change_notice",
            is_offered=lambda notice: notice.is_waiting,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        return Notice.objects.by_urgency()

    def headline(self, notice: Notice) -> str:
        return f"Report: {notice}"

    @admin.display(description="due")
    def due(self, notice: Notice) -> str:
        if not notice.is_waiting:
            return f"decided {notice.decided_at:%Y-%m-%d %H:%M}"
        is_late = notice.due_at < timezone.now()
        return f"late since {notice.due_at:%Y-%m-%d %H:%M}" if is_late else f"in {timeuntil(notice.due_at)}"

    def get_urls(self) -> list[URLPattern]:
        def own(route: str, view: Any, name: str) -> URLPattern:
            found: URLPattern = path(
                f"<uuid:notice_id>/{route}/", self.admin_site.admin_view(view), name=f"notices_notice_{name}"
            )
            return found

        return [
            own("decide", self.decide_view, "decide"),
            own("poster", self.poster_view, "poster"),
            own("clip", self.clip_view, "clip"),
            *super().get_urls(),
        ]

    def decide_view(self, request: HttpRequest, notice_id: UUID) -> HttpResponse:
        """What is reported, its picture blurred, and a form to take it down or leave it."""
        staff = _decider(request)
        notice = get_object_or_404(Notice.objects.select_related("workspace"), id=notice_id)
        form = DecisionForm(request.POST or None)
        if form.is_valid():
            if "remove" not in request.POST and "keep" not in request.POST:
                raise Http404
            try:
                notice = notices.decide(
                    notice.id,
                    staff=staff,
                    is_removed="remove" in request.POST,
                    decision=form.cleaned_data["decision"],
                )
            except Refusal as refusal:
                form.add_error(None, str(refusal))
            else:
                self.log_change(request, notice, f"{DONE[Notice.State(notice.state)]} the clip: {notice.decision}")
                told = (
                    "Only whoever reported it gets mail."
                    if notice.state == Notice.State.KEPT
                    else "Both sides get mail."
                )
                messages.success(request, f"{notice.get_state_display()}. {told}")
                return redirect("admin:notices_notice_changelist")
        context = self.admin_site.each_context(request) | {
            "title": self.headline(notice),
            "opts": self.model._meta,
            "notice": notice,
            "customer": customer_link(request, notice.workspace_id, whose.title_by_id(notice.workspace_id))
            if notice.workspace_id
            else "",
            "due": self.due(notice),
            "has_clip": Clip.objects.filter(pk=notice.clip_id).exists(),
            "form": form,
        }
        return render(request, "admin/notices/notice/decide.html", context)

    def poster_view(self, request: HttpRequest, notice_id: UUID) -> HttpResponseBase:
        """The picture of the clip that is reported."""
        return serving.serve_poster(request, _reported_clip(request, notice_id))

    def clip_view(self, request: HttpRequest, notice_id: UUID) -> HttpResponseBase:
        """The clip that is reported."""
        return serving.serve_clip(request, _reported_clip(request, notice_id))


def _decider(request: HttpRequest) -> User:
    if request.user.is_anonymous or not request.user.has_perm("notices.change_notice"):
        raise RightLacking("notices.change_notice")
    return request.user


def _reported_clip(request: HttpRequest, notice_id: UUID) -> Clip:
    """The clip that staff is about to see. Its workspace reads in its audit log that somebody looked."""
    staff = _decider(request)
    notice = get_object_or_404(Notice, id=notice_id)
    clip = get_object_or_404(Clip.objects.select_related("generation__workspace"), pk=notice.clip_id)
    workspace, subject, actor = clip.generation.workspace, str(clip.pk), f"staff {staff.email}"
    looks = AuditEntry.objects.filter(workspace=workspace, event="staff.looked", actor=actor, subject=subject)
    if not looks.filter(at__gte=timezone.now() - impersonation.LASTS).exists():  # a player asks for many ranges
        audit.record(workspace, "staff.looked", actor=actor, subject=subject, request=request, report=str(notice.id))
    return clip
