"""Rows that a row points to, on its page in the admin: a link for whoever may open that one's page, else its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey
from django.http import HttpRequest


class LinksByRight(admin.ModelAdmin[Any]):
    """Django links to every row that has a page, also for those whom that page turns away."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        return [
            (title, {**options, "fields": [self._shown(request, each) for each in options["fields"]]})
            for title, options in found
        ]

    def _shown(self, request: HttpRequest, name: Any) -> Any:
        if isinstance(name, list | tuple):
            return tuple(self._shown(request, each) for each in name)
        try:
            field = self.opts.get_field(name) if isinstance(name, str) else None
        except FieldDoesNotExist:
            return name
        if not isinstance(field, ForeignKey):
            return name
        page = self.admin_site._registry.get(field.related_model)
        return name if page is None or page.has_view_permission(request) else _in_words(field)


def _in_words(field: ForeignKey[Any, Any]) -> Callable[[Any], str]:
    @admin.display(description=str(field.verbose_name))
    def words(row: Any) -> str:
        related = getattr(row, field.name)
        return "" if related is None else str(related)

    words.__name__ = field.name
    return words
