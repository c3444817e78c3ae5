"""Lists whose rows are counted up to a bound and sorted along an index: none of the admin's slows down with history."""

from __future__ import annotations

from typing import Any, Final, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST_COUNTED: Final = 5_000


class BoundedPaginator(Paginator[Any]):
    """Says that there are ``MOST_COUNTED`` rows where there are as many or more. Filters find what lies deeper."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by()[:MOST_COUNTED].count()

    @property
    def bound(self) -> int | None:
        """``MOST_COUNTED`` if counting ended there, and more rows may match than ``count``."""
        return MOST_COUNTED if self.count == MOST_COUNTED else None


class Bounded(admin.ModelAdmin[Any]):
    """A list of a table that grows. By its first column of ``ordering``, which has an index, it goes either way, and by
    no other: whoever clicked on one would have the whole table sorted."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    def get_sortable_by(self, request: HttpRequest) -> Any:
        first = str(next(iter(self.get_ordering(request) or self.opts.ordering or ()), "")).lstrip("-")
        return [name for name in self.get_list_display(request) if isinstance(name, str) and self._sorts(name) == first]

    def _sorts(self, column: str) -> str:
        """The field that a column is sorted by."""
        said = getattr(self, column, None)
        return column if said is None else str(getattr(said, "admin_order_field", None) or "").lstrip("-")
