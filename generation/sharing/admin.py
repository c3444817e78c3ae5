"""Shared clips, for staff: which of them are on the page Explore, and the end of a link that should not be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from generation.sharing import links, picks
from generation.sharing.models import Share
from loremotion.exact_search import ExactSearchAdmin
from loremotion.headed import Headed
from loremotion.refusals import Refusal
from loremotion.row_acts import RowAct, RowActs


def _may_be_shown(link: Share) -> bool:
    return link.featured_at is None and link.shows_prompt and link.is_indexed


FOUND: Final = "search engines may find it"


class FoundFilter(admin.BooleanFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = FOUND


class ExploreFilter(admin.SimpleListFilter):
    title = "Explore"
    parameter_name = "explore"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", "On Explore"), ("no", "Not on Explore")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Share]) -> QuerySet[Share]:
        is_off = {"yes": False, "no": True}.get(self.value() or "")
        return queryset if is_off is None else queryset.filter(featured_at__isnull=is_off)


@admin.register(Share)
class ShareAdmin(Headed, RowActs, ExactSearchAdmin):
    """Read only, with what staff may do. Prompts are shown on the page of the clip alone, as far as its owner wants."""

    list_display = ["page", "model_name", "shows_prompt", "found", "on_explore", "created_at"]
    list_filter = [ExploreFilter, "shows_prompt", ("is_indexed", FoundFilter)]
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

    def headline(self, link: Share) -> str:
        return f"Link {link.token[:8]}… to a clip of {self.model_name(link)}"

    @admin.display(description="link")
    def page(self, link: Share) -> SafeString:
        return format_html('<a href="{}">{}…</a>', links.address(link.token), link.token[:8])

    @admin.display(description=FOUND, boolean=True, ordering="is_indexed")
    def found(self, link: Share) -> bool:
        return link.is_indexed

    @admin.display(description="on Explore since", ordering="featured_at", empty_value="")
    def on_explore(self, link: Share) -> datetime | None:
        return link.featured_at

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
