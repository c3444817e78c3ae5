"""Parts of the admin's lists as our templates show them: filters as chips, and cells that know their column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from django import template
from django.contrib.admin.filters import BooleanFieldListFilter
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

MOST_LAID_OUT: Final = 9
"""Choices of the first filter that stand side by side; with more it folds as the others do."""


_EMPTY: Final = ">-</td>"
"""What Django shows where there is no value: on a card that is a line of nothing."""


@dataclass(frozen=True, slots=True)
class Chips:
    """One filter: its choices as links, each with the list's address then."""

    title: str
    choices: list[dict[str, Any]]
    chosen: str
    """What is chosen, in words."""
    is_chosen: bool
    """Whether it leaves rows out that it would show by itself."""
    is_laid_out: bool
    periods: Any = ()
    """Of a filter by time, as ``loremotion.time_filter`` has them."""
    is_named: bool = False
    """Whether the title has to stand beside the choices: *Yes* and *No* say nothing by themselves."""


@register.simple_tag
def filter_chips(cl: Any) -> list[Chips]:
    """Return the filters of a change list, in its order."""
    return [_chips(cl, spec, is_first=at == 0) for at, spec in enumerate(cl.filter_specs)]


def _chips(cl: Any, spec: Any, *, is_first: bool) -> Chips:
    choices = list(spec.choices(cl))
    periods = getattr(spec, "periods", ())
    at = next((number for number, each in enumerate(choices) if each["selected"]), None)
    in_periods = [each.text for row in periods for each in row if each.is_chosen]
    # Periods are inside of each other, so the last is the narrowest. An unknown value is shown as it stands there.
    typed = in_periods[-1] if in_periods else str(getattr(spec, "value", lambda: "")() or "")
    return Chips(
        title=str(spec.title),
        is_named=isinstance(spec, BooleanFieldListFilter),
        choices=choices,
        chosen=str(choices[at]["display"]) if at is not None else typed,
        is_chosen=at != 0,
        is_laid_out=is_first and len(choices) <= MOST_LAID_OUT and not periods,
        periods=periods,
    )


@register.filter
def labelled(cells: Any, headers: list[dict[str, Any]]) -> Iterator[SafeString]:
    """Yield the cells of a row, each with the heading of its column as ``data-label``: on a phone a row is a card."""
    for cell, header in zip_longest(cells, headers, fillvalue=None):
        if cell is not None:
            yield _with_label(cell, _heading(header))


def _heading(header: dict[str, Any] | None) -> str:
    text = str(header["text"]) if header else ""
    return "" if "<input" in text else strip_tags(text)


def _with_label(cell: SafeString, heading: str) -> SafeString:
    """Django gives a whole ``<td …>`` or ``<th …>``."""
    begin, rest = cell[:3], cell[3:]
    if not heading or begin not in ("<td", "<th"):
        return cell
    label = heading[:1].upper() + heading[1:]
    known = " data-empty" if cell.endswith(_EMPTY) else ""
    return format_html('{} data-label="{}"{}{}', mark_safe(begin), label, known, mark_safe(rest))  # noqa: S308 - Django's
