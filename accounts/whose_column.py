"""A column of the admin's lists that says whose a row is, of rows that know no more of a workspace than its id."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import whose


class WhoseColumn(admin.ModelAdmin[Any]):
    """For ``whose`` in ``list_display``: the customers of all rows of a page are found at once.

    Who may not look customers up reads ids.
    """

    whose_field: ClassVar[str] = "workspace"
    """Of a row: the id of the workspace."""

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        shown = super().get_changelist_instance(request)
        if request.user.has_perm("accounts.view_workspace"):
            ids = {getattr(row, self.whose_field) for row in shown.result_list}
            titles = whose.titles(each for each in ids if each is not None)
            for row in shown.result_list:
                row.whose = titles.get(getattr(row, self.whose_field))
        return shown

    @admin.display(description="whose")
    def whose(self, row: Any) -> SafeString | str:
        workspace: UUID | None = getattr(row, self.whose_field)
        title: str | None = getattr(row, "whose", None)
        if title is None:  # nobody may know, or it was erased
            return str(workspace or "")
        return format_html('<a href="{}">{}</a>', reverse("admin:customer", args=[workspace]), title)
