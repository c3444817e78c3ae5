"""Lists of the admin in which rows are found by the whole of what was typed: no search reads a table."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from loremotion.read_only_admin import ReadOnlyAdmin


class ExactSearchAdmin(ReadOnlyAdmin):
    """Shows rows that only the services write, found by a whole id or by another whole text. All fields are indexed."""

    search_fields: ClassVar[Any] = ("id",)
    """Django shows the search for it; which fields are looked at stands below."""
    search_help_text = "A whole id"
    found_by_id: ClassVar[tuple[str, ...]] = ()
    found_by_text: ClassVar[tuple[str, ...]] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows that the whole of what was typed names; a part of it finds nothing."""
        text = search_term.replace("\x00", "").strip()
        if not text:
            return queryset, False
        try:
            return queryset.filter(self.named_by(UUID(text))), False
        except ValueError:
            return queryset.filter(self.called(text)), False

    def named_by(self, wanted: UUID) -> Q:
        """Rows that a UUID stands for."""
        return any_of(self.found_by_id, wanted)

    def called(self, wanted: str) -> Q:
        """Rows that any other text stands for."""
        return any_of(self.found_by_text, wanted)


def any_of(fields: tuple[str, ...], value: object) -> Q:
    """Return the condition that one of ``fields`` is ``value``; of no fields, one that nothing meets."""
    return reduce(or_, (Q(**{field: value}) for field in fields), Q()) if fields else Q(pk__in=[])
