"""A column of the admin's lists that says whose a row is, of rows that know no more of a workspace than its id."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import whose
from accounts.models import Membership

MOST_WORKSPACES: Final = 100
"""Of one person, of which rows are looked for."""


def workspaces_of(address: str) -> list[UUID]:
    """Return the workspaces of whoever has the email address, the whole of it; nobody has it: none."""
    theirs = Membership.objects.filter(user__email=address.lower()).values_list("workspace_id", flat=True)
    return list(theirs[:MOST_WORKSPACES])


class WhoseColumn(admin.ModelAdmin[Any]):
    """For ``whose`` in ``list_display``: the customers of all rows of a page are found at once.

    Who may not look customers up reads ids.
    """

    whose_field: ClassVar[str] = "workspace"
    """Of a row: the id of the workspace."""
    is_found_by_address: ClassVar[bool] = True
    """Whether a search for an email address finds the rows of its workspaces."""

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Rows of the workspaces of whoever has the address, or what the list finds otherwise."""
        text = search_term.replace("\x00", "").strip()
        if "@" not in text or not self.is_found_by_address or not request.user.has_perm("accounts.view_workspace"):
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(**{f"{self.whose_field}__in": workspaces_of(text)}), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None and "whose" in self.readonly_fields and request.user.has_perm("accounts.view_workspace"):
            workspace = getattr(found, self.whose_field)
            found.whose = whose.titles([workspace]).get(workspace)
        return found

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        shown = super().get_changelist_instance(request)
        if request.user.has_perm("accounts.view_workspace"):
            ids = {getattr(row, self.whose_field) for row in shown.result_list}
            titles = whose.titles(each for each in ids if each is not None)
            for row in shown.result_list:
                row.whose = titles.get(getattr(row, self.whose_field))
        return shown

    @admin.display(description="customer")
    def whose(self, row: Any) -> SafeString | str:
        workspace: UUID | None = getattr(row, self.whose_field)
        title: str | None = getattr(row, "whose", None)
        if title is None:  # nobody may know, or it was erased
            return str(workspace or "")
        return format_html('<a href="{}">{}</a>', reverse("admin:customer", args=[workspace]), title)
