"""Admin pages of rows that nobody edits there."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from loremotion.bounded_paginator import Bounded


class ReadOnlyAdmin(Bounded):
    """Shows rows that only the services write, and counts nothing that grows without end."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
