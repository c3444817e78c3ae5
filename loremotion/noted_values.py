"""What Django notes of a form that staff saved, and besides what each field that changed said before and says now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

MOST_CHARACTERS: Final = 80
"""Of a value: of a longer text the place where it changed."""
MOST_VALUES: Final = 24
"""Of one row: of a table of prices the first that changed."""
_LEAD: Final = 16
"""Characters before that place, to find it by."""


class NotesValues(admin.ModelAdmin[Any]):
    """Keeps in the admin's log what a change changed. ``loremotion.staff_site`` has every page of ours do it."""

    keeps_values: ClassVar[bool]
    """False where they are somebody's personal data, which the log keeps when the row is erased; not named: True."""

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Django's own, in which each ``changed`` has ``values``: label, before, after."""
        noted = super().construct_change_message(request, form, formsets, add)
        if not getattr(self, "keeps_values", True) or not isinstance(noted, list):
            return noted
        changed: Iterator[Any] = iter([each["changed"] for each in noted if "changed" in each])
        for one in _changed_forms(form, formsets, add):
            if (said := next(changed, None)) is not None:
                said["values"] = [*values_of(one)][:MOST_VALUES]
        return noted


def _changed_forms(form: Any, formsets: Any, add: bool) -> Iterator[Any]:
    """The forms of the rows that Django notes as changed, in its order."""
    if not add and form.changed_data:
        yield form
    for formset in formsets or ():
        by_row = {each.instance: each for each in formset.initial_forms}
        yield from (by_row[row] for row, _ in formset.changed_objects)


def values_of(form: Any) -> Iterator[list[str]]:
    """Yield label, before and after of each field that changed, and that may be seen."""
    for name in form.changed_data:
        field = form.fields.get(name)
        if field is None or name not in form.cleaned_data or _is_secret(field):
            continue
        label = str(field.label or name.replace("_", " ")).lower()
        for path, before, after in _differences(form[name].initial, form.cleaned_data[name]):
            texts = _around_the_change(_said(field, before), _said(field, after))
            yield [" ".join([label, *path]), *texts]


def _is_secret(field: forms.Field) -> bool:
    return isinstance(field.widget, forms.PasswordInput) or field.widget.is_hidden


def _differences(before: Any, after: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield where two values differ: of mappings each key, however deep."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        if before != after:
            yield (), before, after
        return
    for key in {**before, **after}:
        for path, was, now in _differences(before.get(key), after.get(key)):
            yield (str(key), *path), was, now


def _said(field: forms.Field, value: Any) -> str:
    """Return a value as the form shows it; of none nothing."""
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, list | tuple | set | QuerySet):
        return ", ".join(_said(field, each) for each in value)
    if isinstance(field, forms.ModelChoiceField) and not isinstance(field, forms.ModelMultipleChoiceField):
        return _row_of(field, value)
    titles = {
        str(key): str(title) for key, title in getattr(field, "choices", ()) if not isinstance(title, list | tuple)
    }
    return titles.get(str(value), str(value))


def _row_of(field: forms.ModelChoiceField[Any], value: Any) -> str:
    """A form knows the row before by its key alone."""
    try:
        return str(field.to_python(value))
    except ValidationError:  # it is gone, or not to be chosen any more
        return str(value)


def _around_the_change(before: str, after: str) -> tuple[str, str]:
    """Return both, and of long ones the place where they begin to differ."""
    if max(len(before), len(after)) <= MOST_CHARACTERS:
        return before, after
    pairs = zip(before, after, strict=False)
    at = next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(before), len(after)))
    begin = max(0, at - _LEAD)
    return _cut(before, begin), _cut(after, begin)


def _cut(text: str, begin: int) -> str:
    shown = text[begin : begin + MOST_CHARACTERS]
    return f"{'…' if begin else ''}{shown}{'…' if begin + MOST_CHARACTERS < len(text) else ''}"
