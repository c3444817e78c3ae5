"""Keys that workspaces brought, for staff: whose, for what and how they do. No key is shown, and no seal."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import whose
from accounts.whose_column import WhoseColumn
from generation.provider_keys import keeping, readiness
from generation.provider_keys.models import ProviderKey
from loremotion.detail_page import DetailPage, Fact, Standing, at, customer_link
from loremotion.exact_search import ExactSearchAdmin
from loremotion.row_acts import RowAct


@admin.register(ProviderKey)
class ProviderKeyAdmin(DetailPage, WhoseColumn, ExactSearchAdmin):
    list_display = ["title", "hint", "whose", "state", "tested_at", "created_at", "removed_at"]
    ordering = ["-created_at", "-id"]
    whose_field = "workspace_id"
    found_by_id = ("id", "workspace")
    search_help_text = "The whole id of a key or of a workspace"
    exclude = ["sealed"]
    actions = ["remove"]
    row_acts: ClassVar = {
        "remove": RowAct(
            "Remove",
            "Nothing new is made with it, at the site's own price again. What was begun with it goes on.",
            is_offered=lambda key: key.removed_at is None,
        )
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderKey]:
        found: QuerySet[ProviderKey] = super().get_queryset(request)
        return found.defer("sealed")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with what keeps keys from being brought or opened above it."""
        if request.method == "GET":
            for said in filter(None, [readiness.NOT_OFFERED if not keeping.is_offered() else "", *readiness.faults()]):
                self.message_user(request, said, messages.WARNING)
        return super().get_changelist_instance(request)

    def headline(self, key: ProviderKey) -> str:
        return f"Own key for {key}"

    def standing(self, key: ProviderKey) -> Standing:
        if key.removed_at is not None:
            return Standing("Removed", "away", "It is deleted once the last clip has ended that was begun with it.")
        if key.state == ProviderKey.State.REFUSED:
            return Standing("Refused by its provider", "bad", "Its owner was told by mail.")
        if key.state == ProviderKey.State.WORKS:
            return Standing("Works", "good")
        return Standing("Not tested")

    def facts(self, request: HttpRequest, key: ProviderKey) -> list[Fact]:
        return [
            Fact("Customer", customer_link(request, key.workspace_id, whose.title_by_id(key.workspace_id))),
            Fact("Account", key.account),
            Fact("Ends in", key.hint),
            Fact("Said", key.said),
            Fact("Tested", at(key.tested_at)),
            Fact("Sealed for the pair", key.pair),
            Fact("Added", at(key.created_at)),
            Fact("Removed", at(key.removed_at)),
        ]

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("provider_keys.remove_providerkey")

    @admin.action(description="Remove", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[ProviderKey]) -> None:
        for key in queryset.select_related("workspace"):
            words = self.headline(key)
            keeping.remove(key, actor=f"staff {request.user}")
            self.message_user(request, f"{words}: removed.", messages.SUCCESS)
