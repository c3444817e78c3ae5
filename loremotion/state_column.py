"""A column of the admin's lists that says how a row stands, with a dot that says it at one look."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loremotion.staff_words import look


class StateColumn(admin.ModelAdmin[Any]):
    """For ``went`` in ``list_display``, of rows with a ``state``: Django would show a column's name by the column."""

    @admin.display(description="state", ordering="state")
    def went(self, row: Any) -> SafeString:
        return format_html('<span class="state {}">{}</span>', look(row.state), row.get_state_display())
