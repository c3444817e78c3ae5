"""The admin's audit log: what staff did, from the catalogue to somebody's credits, and what members did in workspaces.

Two tables know it, and a page reads the newest of each and lays them together by their times: as many queries however
long either is, each along an index. What is asked for stands in the address, and also the table has what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final, cast
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts import exports, whose
from accounts.models import AuditEntry, User
from generation.staff.audit import acts, rows
from generation.staff.audit.acts import Act
from generation.staff.audit.asked import Asked
from generation.staff.audit.sight import Sight
from loremotion.csv_lines import csv_line
from loremotion.list_parts import Chips

PAGE: Final = 50
ROWS_AT_ONCE: Final = 500
MOST_EXPORTED: Final = 50_000
COLUMNS: Final = (
    "at",
    "who",
    "their address",
    "what happened",
    "detail",
    "about",
    "on",
    "customer",
    "customer id",
    "code",
)
_TIMES: Final = {"day": "Last 24 hours", "week": "Last 7 days"}


def page(request: HttpRequest) -> HttpResponse:
    """The newest acts that the address asks for, and the way to older ones."""
    asked, sight = Asked.of(request.GET), Sight.of(request)
    shown, are_older = rows.newest(asked, sight, limit=PAGE)
    found, titles = _worded(shown, request, sight, besides=asked.customer)
    context = {
        **admin.site.each_context(request),
        "title": "Audit log",
        "asked": asked,
        "sight": sight,
        "filters": _filters(asked, sight),
        "rows": [(each, asked.address(by=each.by), *_customer(each, asked, titles)) for each in found],
        "chosen": list(_chosen(asked, titles)),
        "newest": asked.address(),
        "older": asked.address(before=rows.oldest_of(asked, shown)) if are_older else "",
        "table": reverse("admin:audit_export") + asked.address(),
        "most_exported": MOST_EXPORTED,
    }
    return TemplateResponse(request, "admin/generation/audit_log.html", context)


def export(request: HttpRequest) -> HttpResponseBase:
    """What the address asks for as CSV, newest first, line by line.

    Raises:
        TooMany: this member of staff is reading as many already as anybody may.
    """
    user = cast(User, request.user)
    lines = _lines(Asked.of(request.GET), Sight.of(request), request)
    return exports.csv_file(lines, name=f"audit-{timezone.now():%F}.csv", reader=UUID(int=user.pk))


def _lines(asked: Asked, sight: Sight, request: HttpRequest) -> Iterator[str]:
    """Read a few hundred at a time, each from an index: whoever reads slowly holds no query open."""
    yield csv_line(COLUMNS)
    are_older, left = True, MOST_EXPORTED
    while are_older and left:
        shown, are_older = rows.newest(asked, sight, limit=min(ROWS_AT_ONCE, left))
        found, titles = _worded(shown, request, sight)
        for act in found:
            yield csv_line(_cells(act, titles))
        asked, left = asked.older_than(rows.oldest_of(asked, shown)), left - len(shown)
    if are_older:
        yield csv_line([f"The newest {MOST_EXPORTED:,} alone: filter for a time before {found[-1].at:%F}."])


def _cells(act: Act, titles: dict[UUID, str]) -> list[object]:
    customer = titles.get(act.customer, "") if act.customer is not None else ""
    told = (act.who, act.by, act.words, act.detail, act.area, act.object, customer, str(act.customer or ""), act.code)
    return [act.at.isoformat(), *told]


def _worded(
    shown: list[LogEntry | AuditEntry], request: HttpRequest, sight: Sight, besides: UUID | None = None
) -> tuple[list[Act], dict[UUID, str]]:
    """Return the acts as whoever asks reads them, and id → name of the customers whom they may look up."""
    names = acts.actor_names(each.actor for each in shown if isinstance(each, AuditEntry))
    found = [
        acts.of_entry(each, names, request) if isinstance(each, AuditEntry) else acts.of_note(each, request)
        for each in shown
    ]
    found = acts.with_customers(shown, found)
    customers = {each.customer for each in found} | {besides}
    titles = whose.titles(each for each in customers if each is not None) if sight.names_customers else {}
    found = [
        acts.of_customer(each, titles[each.customer]) if each.customer is not None and each.customer in titles else each
        for each in found
    ]
    return [sight.shown(each) for each in found], titles


def _customer(act: Act, asked: Asked, titles: dict[UUID, str]) -> tuple[str, str]:
    """What the customer is called, and the address of the acts that concern them."""
    if act.customer is None:
        return "", ""
    return titles.get(act.customer, str(act.customer)), asked.address(customer=act.customer)


# --- what can be chosen ------------------------------------------------------------------------------------------


def _filters(asked: Asked, sight: Sight) -> list[Chips]:
    """Whose acts, about what, when."""
    whom = [("", "What staff did"), ("everybody", "What anybody did")]
    areas = [("", "Everything"), *((area, area) for area in sight.areas)]
    times = [("", "Any time"), *_TIMES.items(), *_months()]
    everybody = "everybody" if asked.everybody else ""
    of_whom = _chips("who", whom, everybody, lambda each: asked.address(everybody=bool(each)))
    return [
        *([of_whom] if sight.is_whole else []),
        _chips("about", areas, asked.area, lambda each: asked.address(area=each)),
        _chips("when", times, asked.when, lambda each: asked.address(when=each), is_laid_out=False),
    ]


def _months() -> list[tuple[str, str]]:
    """This month and the five before it, as ``Period`` names them."""
    found, first = [], timezone.localdate().replace(day=1)
    for _ in range(6):
        found.append((f"{first:%Y-%m}", f"{first:%B %Y}"))
        first = (first - timedelta(days=1)).replace(day=1)
    return found


def _chips(title: str, every: list[tuple[str, str]], value: str, to: Any, *, is_laid_out: bool = True) -> Chips:
    choices = [{"display": text, "query_string": to(name), "selected": name == value} for name, text in every]
    chosen = next((text for name, text in every if name == value), value)
    return Chips(title, choices, chosen, is_chosen=value != every[0][0], is_laid_out=is_laid_out)


def _chosen(asked: Asked, titles: dict[UUID, str]) -> Iterable[tuple[str, str]]:
    """What no chip above names, each with the address without it."""
    if asked.text:
        yield f"Found for {asked.text}", asked.address(text="")
    if asked.by:
        yield f"By {asked.by}", asked.address(by="")
    if asked.customer is not None:
        yield f"Customer {titles.get(asked.customer, asked.customer)}", asked.address(customer=None)
