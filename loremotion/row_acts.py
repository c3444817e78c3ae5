"""Buttons in the rows of the admin's lists: what a list does to chosen rows, done to one, and pages that lead on.

A button sends what ticking its row and choosing the action would, so it is Django that looks at the action's permission
and at the list's filters, and it works without JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class RowAct:
    """An action of the list as a button in each row that it makes sense for."""

    label: str
    question: str = ""
    """Asked first, in the row and below the list; empty: it is done at once, since doing it again or undoing it costs
    nothing."""
    is_offered: Callable[[Any], bool] = _always


@dataclass(frozen=True, slots=True)
class RowLink:
    """A page that shows first what it would do, or asks for more than yes."""

    label: str
    address: Callable[[Any], str]
    permission: str
    is_offered: Callable[[Any], bool] = _always
    is_possible: Callable[[], bool] = lambda: True
    """Whether this site can do it at all, to any row."""
    left_to_others: Callable[[HttpRequest, Any], str] = lambda request, row: ""
    """Why whoever asks may not do it to a row that it is offered for, said in its place; empty: they may."""


class RowActs(admin.ModelAdmin[Any]):
    """Adds a last column with what staff may do to each row. Nobody has a column of nothing."""

    row_acts: ClassVar[Mapping[str, RowAct]] = {}
    """By the name of the action."""
    row_links: ClassVar[tuple[RowLink, ...]] = ()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Each says so where rows that it was for have left the list meanwhile."""
        actions = super().get_actions(request)
        return {name: (_of_those_in_the_list(each[0]), *each[1:]) for name, each in actions.items() if each}

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        acts, links = self._allowed(request)
        if not acts and not links:
            return columns

        @admin.display(description="actions", empty_value="")
        def doings(row: Any) -> SafeString:
            return format_html_join("", "{}", ((part,) for part in _offered(request, row, acts, links)))

        return [*columns, doings]

    def offered(self, request: HttpRequest, row: Any) -> SafeString:
        """What this member of staff may do to the row now, as buttons."""
        return format_html_join("", "{}", ((part,) for part in _offered(request, row, *self._allowed(request))))

    def offered_links(self, request: HttpRequest, row: Any) -> SafeString:
        """The pages that lead on from the row alone, for a page that has buttons of its own."""
        return format_html_join("", "{}", ((part,) for part in _offered(request, row, {}, self._allowed(request)[1])))

    def _allowed(self, request: HttpRequest) -> tuple[Mapping[str, RowAct], list[RowLink]]:
        allowed = self.get_actions(request)
        acts = {name: act for name, act in self.row_acts.items() if name in allowed}
        return acts, [link for link in self.row_links if link.is_possible() and request.user.has_perm(link.permission)]


def _of_those_in_the_list(act: Callable[..., Any]) -> Callable[..., Any]:
    """``act`` as the list calls it. Whoever presses a button may look at a list of a while ago: the rows that it was
    for, as its filters said then, may be in another state by now, or gone."""

    @wraps(act)
    def done(page: admin.ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any]) -> Any:
        asked = set(request.POST.getlist(ACTION_CHECKBOX_NAME))
        left = 0 if request.POST.get("select_across") == "1" else len(asked) - rows.count()
        if not left:
            return act(page, request, rows)
        if left == len(asked):
            gone = "It is" if left == 1 else "They are"
            page.message_user(request, f"{gone} not in this list any more; nothing was done.", messages.WARNING)
            return None
        said = f"{left} of the {len(asked)} chosen {'is' if left == 1 else 'are'} not in this list any more"
        page.message_user(request, f"{said}: with {'it' if left == 1 else 'them'} nothing was done.", messages.WARNING)
        return act(page, request, rows)

    return done


def _offered(request: HttpRequest, row: Any, acts: Mapping[str, RowAct], links: list[RowLink]) -> Iterator[SafeString]:
    for name, act in acts.items():
        if act.is_offered(row):
            yield _button(row, name, act)
    for link in links:
        if not link.is_offered(row):
            continue
        if why := link.left_to_others(request, row):
            yield format_html('<span class="quiet">{}</span>', why)
        else:
            yield format_html('<a class="plain-button" href="{}">{}</a>', link.address(row), link.label)


def _button(row: Any, name: str, act: RowAct) -> SafeString:
    """Of a form that stands below the list, one for each action: see admin/change_list.html."""
    button = format_html(
        '<button class="plain-button" form="do-{}" name="{}" value="{}">{}</button>',
        *(name, ACTION_CHECKBOX_NAME, row.pk, f"Yes, {act.label.lower()}" if act.question else act.label),
    )
    if not act.question:
        return button
    return format_html(
        '<details class="sure"><summary class="plain-button">{}</summary><p>{}</p>{}</details>',
        *(act.label, act.question, button),
    )
