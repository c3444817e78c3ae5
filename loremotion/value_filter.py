"""A filter of the admin's lists by a column of few values, which are known: Django would look for them in every row."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest


class ValueFilter(admin.SimpleListFilter):
    """Rows whose column ``parameter_name`` is the chosen one of ``values``."""

    values: ClassVar[tuple[str, ...]]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(value, value.replace("_", " ").capitalize()) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{str(self.parameter_name): value}) if value in self.values else queryset
