"""Clips, for staff. Nothing here changes state except through the services that everybody uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import whose
from accounts.models import User
from accounts.whose_column import workspaces_of
from generation.models import TRIALS_WORKSPACE, Generation, State
from generation.scheduling import explanation
from generation.staff import charges, clips, late
from generation.staff.late import Late
from loremotion.read_only_admin import ReadOnlyAdmin
from loremotion.refusals import Refusal
from loremotion.row_acts import RowAct, RowActs, RowLink
from loremotion.staff_words import as_words, look


def may_look_up(request: HttpRequest) -> bool:
    return request.user.has_perm("accounts.view_workspace")


@admin.register(Generation)
class GenerationAdmin(RowActs, ReadOnlyAdmin):
    """Read only. Prompts are people's own words, and shown to those alone who may look into workspaces."""

    list_display = ["poster", "asked", "went", "model_name", "who", "wait", "render", "credits"]
    list_display_links = ["asked"]
    list_filter = [
        "state",
        clips.AskedFilter,
        clips.ModelFilter,
        clips.PresetFilter,
        clips.TierFilter,
        clips.TroubleFilter,
    ]
    readonly_fields = ["privacy"]
    search_fields = ["id"]
    search_help_text = "An email address, the whole id of a clip or of a workspace, or the whole name of a worker"
    list_select_related = ["version__model", "workspace", "clip"]
    list_per_page = 50
    ordering = ["-created_at", "-id"]
    actions = ["cancel_selected", "retry_selected"]
    row_acts: ClassVar = {
        "retry_selected": RowAct(
            "Start again",
            "Its GPU lets go of it, and another makes it.",
            is_offered=lambda clip: clip.state in (State.DISPATCHED, State.RUNNING),
        ),
        "cancel_selected": RowAct(
            "Cancel", "Its credits go back, less those of steps that ran.", is_offered=lambda clip: clip.is_open
        ),
    }
    row_links = (
        RowLink(
            "Give credits",
            lambda clip: reverse("admin:customer", args=[clip.workspace_id]) + "#credits",
            "billing.adjust_credits",
            is_offered=lambda clip: (
                clip.state in (State.FAILED, State.SUCCEEDED) and clip.workspace_id != TRIALS_WORKSPACE
            ),
        ),
    )
    change_form_template = "admin/generation/change_form.html"
    ASKED = ("prompt", "negative_prompt", "inputs", "seed", "privacy")
    WORDS = ("prompt", "negative_prompt", "inputs")

    def get_fieldsets(self, request: HttpRequest, obj: Generation | None = None) -> Any:
        """What was asked for; the rest of the row is for whoever looks for a fault."""
        every = [name for name in self.get_fields(request, obj) if isinstance(name, str)]
        asked = [name for name in self.ASKED if name in every]
        return [
            ("What was asked for", {"fields": asked}),
            (
                "Every other field of the row",
                {"classes": ["collapse"], "fields": [name for name in every if name not in asked]},
            ),
        ]

    def get_exclude(self, request: HttpRequest, obj: Generation | None = None) -> tuple[str, ...]:
        """What somebody wrote is for staff who may look into workspaces, and of a private clip for nobody here."""
        may_read = obj is not None and not obj.is_private and request.user.has_perm("accounts.look_into_workspace")
        return ("is_private",) if may_read else ("is_private", *self.WORDS)

    @admin.display(description="seen by")
    def privacy(self, generation: Generation) -> str:
        """In words: neither is a fault, which Django's red cross would say."""
        return "Its maker alone" if generation.is_private else "Its maker and whoever has the link"

    def headline(self, generation: Generation) -> str:
        return clips.title(generation)

    @admin.display(description="", empty_value="")
    def poster(self, generation: Generation) -> SafeString | str:
        if not hasattr(generation, "clip") or generation.deleted_at is not None:
            return ""
        if generation.is_private:
            return "private"
        address = reverse("admin:clip_poster", args=[generation.id])
        return format_html('<img src="{}" alt="" width="64" loading="lazy">', address)

    @admin.display(description="asked for", ordering="-created_at")
    def asked(self, generation: Generation) -> str:
        return f"{generation.created_at:%-d %b, %H:%M}"

    @admin.display(description="state")
    def went(self, generation: Generation) -> SafeString | str:
        """Its state, with the GPU worker that has it, or its error in words; its code is what logs and the API say."""
        state = format_html('<span class="state {}">{}</span>', look(generation.state), generation.get_state_display())
        worker, code = generation.worker if generation.state == State.RUNNING else "", generation.error_code
        if code:
            return format_html('{}<br><span class="error" title="{}">{}</span>', state, code, as_words(code))
        return format_html('{}<br><span class="quiet">{}</span>', state, worker) if worker else state

    @admin.display(description="late by", empty_value="")
    def late_by(self, generation: Generation) -> SafeString | str:
        """And why, in the list of those that are far beyond their forecast. Phones show no heading: hence the unit."""
        found: Late | None = getattr(generation, "late", None)
        if found is None:  # it ended meanwhile
            return ""
        by = format_html('<span class="state bad">{}<span class="unit"> late</span></span>', found.by)
        return format_html('{}<br><span class="quiet">{}</span>', by, found.why)

    @admin.display(description="model")
    def model_name(self, generation: Generation) -> str:
        return generation.version.model.name

    def get_queryset(self, request: HttpRequest) -> QuerySet[Generation]:
        """With the owners' addresses, for whoever may look customers up."""
        rows = charges.with_charged(super().get_queryset(request))
        return rows.prefetch_related(whose.owners("workspace__memberships")) if may_look_up(request) else rows

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = list(super().get_list_display(request))
        if clips.asks_for_late(request):
            columns.insert(columns.index("went") + 1, "late_by")
        return columns

    def get_ordering(self, request: HttpRequest) -> Any:
        """The newest first, and of those that are late the latest."""
        if not clips.asks_for_late(request):
            return super().get_ordering(request)
        return [late.first_the_latest(), "-id"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        shown = super().get_changelist_instance(request)
        if clips.asks_for_late(request):
            found = late.of([row.id for row in shown.result_list])
            for row in shown.result_list:
                row.late = found.get(row.id)
        return shown

    @admin.display(description="customer")
    def who(self, generation: Generation) -> SafeString | str:
        """A link for whoever may look customers up: for them alone ``get_queryset`` fetched the owners."""
        workspace = generation.workspace
        title = whose.title_of(workspace)
        if not whose.has_owners(workspace):
            return title
        address = reverse("admin:customer", args=[generation.workspace_id])
        return format_html('<a title="{}" href="{}">{}</a>', title, address, title)

    @admin.display(empty_value="")
    def wait(self, generation: Generation) -> str:
        return clips.duration(generation, generation.created_at, generation.started_at)

    @admin.display(empty_value="")
    def render(self, generation: Generation) -> str:
        return clips.duration(generation, generation.started_at, generation.finished_at)

    @admin.display()
    def credits(self, generation: Generation) -> SafeString:
        """What was charged, and until it has ended what is held. The unit only a phone shows, which has no heading."""
        charged = charges.charged_of(generation)
        count = generation.credits_quoted if charged is None else charged
        held = format_html(' <span class="quiet">{}</span>', "held") if charged is None else ""
        return format_html('{}<span class="unit"> credit{}</span>{}', intcomma(count), "" if count == 1 else "s", held)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Generation], search_term: str
    ) -> tuple[QuerySet[Generation], bool]:
        """What a whole id or an address names; any other text is a worker's name, of what it has in hand."""
        text = search_term.replace("\x00", "").strip()
        if not text:
            return queryset, False
        if "@" in text and may_look_up(request):
            return queryset.filter(workspace__in=workspaces_of(text)), False
        try:
            wanted = UUID(text)
        except ValueError:
            return queryset.filter(worker=text, state=State.RUNNING), False
        return queryset.filter(Q(id=wanted) | Q(workspace=wanted)), False

    # --- what can be done to chosen clips ---

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("generation.cancel_generation")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("generation.retry_generation")

    @admin.action(description="Cancel and give the credits back", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        self._do(request, queryset, clips.cancel_as_staff)

    @admin.action(description="Start again", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        self._do(request, queryset, clips.retry_as_staff)

    def _do(self, request: HttpRequest, queryset: QuerySet[Generation], act: Callable[..., str]) -> None:
        for generation in queryset:
            try:
                done = act(generation, by=cast(User, request.user))
            except Refusal as refusal:
                self.message_user(request, f"{generation.id}: {refusal}", messages.WARNING)
            else:
                self.message_user(request, f"{generation.id}: {done}", messages.SUCCESS)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The clip, how it went, and while it waits why it has its place."""
        generation = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if generation is not None and self.has_view_permission(request):
            waiting = clips.waiting(generation)
            shown = {
                "why": explanation.explain(generation) if waiting.get("place_decides", True) else None,
                **waiting,
                "late": late.of([generation.id]).get(generation.id) if generation.is_open else None,
                "charged": charges.charged_of(generation),
                "timeline": clips.timeline(generation, names_members=may_look_up(request)),
                "whose": whose.title_of(generation.workspace),
                "waited": clips.seconds_between(generation.created_at, generation.started_at),
                "rendered": clips.seconds_between(generation.started_at, generation.finished_at),
                "is_trial": generation.workspace_id == TRIALS_WORKSPACE,
                "is_in_flight": generation.state in (State.DISPATCHED, State.RUNNING),
                "has_failed": generation.state == State.FAILED,
                "links_on": self.offered_links(request, generation),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})
