"""A model's page for those who may look at it and change nothing: each field of its form as words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import yaml
from django import forms
from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog import catalogue_fieldsets
from catalog.forms import CatalogueForm
from catalog.models import Model

_OF_A_CHANGE: Final = {"note", "is_canary", "based_on"}
"""What is said of a change alone."""


def fieldsets_of(model: Model) -> Any:
    """Return the form's fieldsets with what shows a field in place of each."""
    form = CatalogueForm(instance=model)

    def shown(name: Any) -> Any:
        return tuple(map(shown, name)) if isinstance(name, tuple) else _shows(name, form)

    return [
        (title, {**options, "fields": [shown(name) for name in options["fields"] if name not in _OF_A_CHANGE]})
        for title, options in catalogue_fieldsets.FIELDSETS
    ]


def _shows(name: str, form: CatalogueForm) -> Callable[[Model], SafeString | str]:
    field = form.fields[name]

    @admin.display(description=field.label or name.replace("_", " "))
    def words(model: Model) -> SafeString | str:
        return _said(field, form.get_initial_for_field(field, name))

    words.__name__ = name
    return words


def _said(field: forms.Field, value: Any) -> SafeString | str:
    if value in (None, "", [], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    titles = {key: title for key, title in getattr(field, "choices", ()) if isinstance(title, str)}
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(str(titles.get(each, each)) for each in value)
    if isinstance(value, dict | list):
        return format_html("<pre>{}</pre>", yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
    return str(titles.get(value, value))
