"""Requests and the fleet, for staff. Nothing here changes state except through the services that everybody uses."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from generation.models import Generation
from generation.scheduling import explanation, fleet, storage_pause
from generation.settlement import settle
from gpu_worker.contract import RENDER_QUEUE
from loremotion import health, queues
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
    change_list_template = "admin/generation/change_list.html"
    change_form_template = "admin/generation/change_form.html"

    def has_change_permission(self, request: HttpRequest, obj: Generation | None = None) -> bool:
        return obj is None and admin.ModelAdmin.has_change_permission(self, request)

    @admin.action(description="Cancel and give the credits back", permissions=["change"])
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

    def get_urls(self) -> list[Any]:
        return [path("fleet/", self.admin_site.admin_view(self.fleet), name="generation_fleet"), *super().get_urls()]

    def fleet(self, request: HttpRequest) -> HttpResponse:
        """Every living worker in its own words, and how much each queue holds."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "GPU fleet",
            "workers": fleet.statuses(),
            "processes": health.process_ages(),
            "storage_pause": storage_pause.state(),
            "queues": queues.loads([RENDER_QUEUE, *settings.QUEUE_JOBS]),
        }
        return TemplateResponse(request, "admin/generation/fleet.html", context)
