"""Pages of a list whose rows are counted up to a bound: no list of the admin's grows slower with history."""

from __future__ import annotations

from typing import Any, Final, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
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
