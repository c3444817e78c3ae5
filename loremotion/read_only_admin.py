"""Admin pages of rows that nobody edits there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from loremotion.bounded_paginator import BoundedPaginator


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Shows rows that only the services write, and counts nothing that grows without end."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
