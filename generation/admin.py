"""Requests, for staff. Nothing here changes state except through the services that everybody uses."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from generation.models import Generation
from generation.scheduling import explanation
from generation.settlement import settle
from loremotion.read_only_admin import ReadOnlyAdmin
from loremotion.refusals import Refusal


@admin.register(Generation)
class GenerationAdmin(ReadOnlyAdmin):
    """Read only. Prompts are people's own words: they are shown on the page of one request, not in the list."""

    list_display = ["id", "state", "version", "attempt", "worker", "created_at", "finished_at", "error_code"]
    list_filter = ["state", "error_code"]
    search_fields = ["id", "workspace__id"]
    list_select_related = ["version__model"]
    ordering = ["-created_at"]
    actions = ["cancel_selected"]
    change_form_template = "admin/generation/change_form.html"

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("generation.cancel_generation")

    @admin.action(description="Cancel and give the credits back", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        for generation in queryset:
            try:
                settle.cancel(generation)
            except Refusal as refusal:
                self.message_user(request, f"{generation.id}: {refusal}", messages.WARNING)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The request, and while it waits why it has its place."""
        generation = self.get_object(request, object_id)
        why = explanation.explain(generation) if generation is not None and self.has_view_permission(request) else None
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "why": why})
