"""A column of the admin's lists for a number, with its thousands apart; nothing where it is 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import intcomma


def number_column(field: str, title: str = "") -> Callable[[Any], str]:
    """Return what ``list_display`` takes for ``field``, under its own name or ``title``."""

    @admin.display(description=title or field.replace("_", " "), ordering=field)
    def shown(row: Any) -> str:
        value = getattr(row, field)
        return str(intcomma(value)) if value else ""

    shown.__name__ = field
    return shown
