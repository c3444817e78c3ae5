"""Pages of one row in the admin are called what people call the row: "Change pack" and an id say nothing to anybody.

``loremotion.staff_site`` gives it to every page; a page whose row has no good name of its own says a ``headline``.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse


class Headed(admin.ModelAdmin[Any]):
    """The title of a row's page and of its history, and its part in the trail, are its ``headline``."""

    told_above: ClassVar[str] = ""
    """What its list is for, in a sentence above it; empty where the list's name says it."""

    def headline(self, row: Any) -> str:
        """What it is, as people say it."""
        return str(row)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> NoReturn:
        """A row that is gone is a page that is not there; Django sends on to the first page with a message.

        Raises:
            PermissionDenied: whoever asks may not look at such rows, and does not learn which there are.
        """
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        raise Http404

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if (row := context.get("original")) is not None:
            context.update(title=self.headline(row), subtitle="")
        return super().render_change_form(request, context, *args, **kwargs)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        called = {"headline": self.headline(row)} if row is not None else {}
        return super().delete_view(request, object_id, {**(extra_context or {}), **called})

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        headline = self.headline(row) if row is not None else ""
        called = {"title": f"History: {headline}", "headline": headline}
        return super().history_view(request, object_id, {**(extra_context or {}), **called})
