"""Shared clips, for staff: which of them are on the page Explore, and the end of a link that should not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from generation.sharing import links, picks
from generation.sharing.models import Share
from loremotion.exact_search import ExactSearchAdmin
from loremotion.refusals import Refusal
from loremotion.row_acts import RowAct, RowActs


def _may_be_shown(link: Share) -> bool:
    return link.featured_at is None and link.shows_prompt and link.is_indexed


@admin.register(Share)
class ShareAdmin(RowActs, ExactSearchAdmin):
    """Read only, with what staff may do. Prompts are shown on the page of the clip alone, as far as its owner wants."""

    list_display = ["page", "model_name", "shows_prompt", "is_indexed", "featured_at", "created_at"]
    list_filter = ["shows_prompt", "is_indexed", ("featured_at", admin.EmptyFieldListFilter)]
    found_by_id = ("clip",)
    found_by_text = ("token",)
    search_help_text = "The whole token of a link or id of a clip"
    list_select_related = ["clip__generation__version__model"]
    ordering = ["-created_at", "-id"]
    actions = ["feature", "withdraw", "revoke"]
    row_acts: ClassVar = {
        "feature": RowAct("Show on Explore", is_offered=_may_be_shown),
        "withdraw": RowAct("Take off Explore", is_offered=lambda link: link.featured_at is not None),
        "revoke": RowAct("Revoke", "Nobody can open the link any more. Its owner may make another."),
    }

    def has_change_permission(self, request: HttpRequest, obj: Share | None = None) -> bool:
        return obj is None and admin.ModelAdmin.has_change_permission(self, request)

    @admin.display(description="page")
    def page(self, link: Share) -> SafeString:
        return format_html('<a href="{}">{}…</a>', links.address(link.token), link.token[:8])

    @admin.display(description="model")
    def model_name(self, link: Share) -> str:
        return link.clip.generation.version.model.name

    @admin.action(description="Show on Explore", permissions=["change"])
    def feature(self, request: HttpRequest, queryset: QuerySet[Share]) -> None:
        self._do(request, queryset, picks.feature, "It is on Explore.")

    @admin.action(description="Take off Explore", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Share]) -> None:
        self._do(request, queryset, picks.withdraw, "It is off Explore.")

    @admin.action(description="Revoke the link", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Share]) -> None:
        self._do(request, queryset, picks.revoke, "The link is revoked.")

    def _do(self, request: HttpRequest, queryset: QuerySet[Share], act: Callable[..., None], done: str) -> None:
        for link in queryset.select_related("clip__generation__workspace"):
            try:
                act(link, actor=f"staff {request.user}")
            except Refusal as refusal:
                self.message_user(request, f"{link.token[:8]}…: {refusal}", messages.WARNING)
            else:
                self.message_user(request, f"{link.token[:8]}…: {done}", messages.SUCCESS)
