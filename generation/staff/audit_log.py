"""The admin's audit log: what staff did, from the catalogue to somebody's credits, and what members did in workspaces.

Two tables know it, and a page reads the newest of each and lays them together by their times: as many queries however
long either is, each along an index. What is asked for stands in the address.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts import whose
from accounts.audit_sentences import WORDS
from accounts.models import AuditEntry, Membership, User, Workspace
from billing.models import Account, Proposal
from billing.shop.models import Payment
from catalog.models import Model
from generation.staff import acts
from generation.staff.acts import AREAS, STAFF, Act
from loremotion.list_parts import Chips
from loremotion.row_number import row_number
from loremotion.time_filter import WINDOWS, Period

_Row = TypeVar("_Row", LogEntry, AuditEntry)

PAGE: Final = 50
MOST_ENTRIES: Final = 500
"""Of one actor, thing or workspace, among which a search for an address looks: the newest."""
MOST_WORKSPACES: Final = 20
MOST_OF_CUSTOMER: Final = 200
"""Payments, and proposals, of a customer that acts were about: the newest."""
AN_EVENT: Final = re.compile(r"[a-z_]+\.[a-z_]+")
_TIMES: Final = {"day": "Last 24 hours", "week": "Last 7 days"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    text: str = ""
    everybody: bool = False
    """Whether also for what members did."""
    by: str = ""
    area: str = ""
    customer: UUID | None = None
    when: str = ""
    before: tuple[int | None, int | None] = (None, None)
    """The oldest rows of both tables that the page before this one showed: its note's id, its entry's id."""

    @classmethod
    def of(cls, said: QueryDict) -> Asked:
        notes, _, entries = said.get("before", "").partition(".")
        return cls(
            text=said.get("q", "").replace("\x00", "").strip(),
            everybody=said.get("who") == "everybody",
            by=said.get("by", "").replace("\x00", "").strip(),
            area=said.get("about", "") if said.get("about") in AREAS else "",
            customer=_uuid(said.get("customer", "")),
            when=said.get("when", "").replace("\x00", ""),
            before=(row_number(notes), row_number(entries)),
        )

    def address(self, **changes: Any) -> str:
        """Return the address of the newest of what is asked for, with ``changes``."""
        wanted = replace(self, **{"before": (None, None), **changes})
        said = {
            "q": wanted.text,
            "who": "everybody" if wanted.everybody else "",
            "by": wanted.by,
            "about": wanted.area,
            "customer": str(wanted.customer or ""),
            "when": wanted.when,
            "before": ".".join(str(each or "") for each in wanted.before) if any(wanted.before) else "",
        }
        return f"?{urlencode({name: value for name, value in said.items() if value})}"

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """From when, and until before when; None: without an end. An unknown word asks for any time."""
        if self.when in WINDOWS:
            return timezone.now() - WINDOWS[self.when], None
        period = Period.named(self.when)
        if period is None:
            return None, None
        begins, ends = (timezone.make_aware(datetime.combine(day, time())) for day in (period.since, period.until))
        return begins, ends


def page(request: HttpRequest) -> HttpResponse:
    """The newest acts that the address asks for, and the way to older ones."""
    asked = Asked.of(request.GET)
    may_look_up = request.user.has_perm("accounts.view_workspace")
    notes = list(_notes(asked)[: PAGE + 1])
    entries = list(_entries(asked, may_look_up=may_look_up)[: PAGE + 1])
    both: Iterable[LogEntry | AuditEntry] = heapq.merge(notes, entries, key=_at, reverse=True)
    shown = [each for each, _ in zip(both, range(PAGE), strict=False)]
    names = acts.named(each.actor for each in shown if isinstance(each, AuditEntry))
    found = [
        acts.of_entry(each, names) if isinstance(each, AuditEntry) else acts.of_note(each, request) for each in shown
    ]
    customers = {each.customer for each in found} | {asked.customer}
    titles = whose.titles(each for each in customers if each is not None) if may_look_up else {}
    found = [
        acts.of_customer(each, titles[each.customer]) if each.customer is not None and each.customer in titles else each
        for each in found
    ]
    context = {
        **admin.site.each_context(request),
        "title": "Audit log",
        "asked": asked,
        "filters": _filters(asked),
        "rows": [(each, asked.address(by=each.by), *_customer(each, asked, titles)) for each in found],
        "chosen": list(_chosen(asked, titles)),
        "newest": asked.address(),
        "older": _older(asked, shown) if len(notes) + len(entries) > len(shown) else "",
    }
    return TemplateResponse(request, "admin/generation/audit_log.html", context)


def _at(row: LogEntry | AuditEntry) -> datetime:
    return row.at if isinstance(row, AuditEntry) else row.action_time


def _customer(act: Act, asked: Asked, titles: dict[UUID, str]) -> tuple[str, str]:
    """What the customer is called, and the address of the acts that concern them."""
    if act.customer is None:
        return "", ""
    return titles.get(act.customer, str(act.customer)), asked.address(customer=act.customer)


def _older(asked: Asked, shown: list[LogEntry | AuditEntry]) -> str:
    """By the keys of both tables, so that no act is left out or shown twice, whatever came meanwhile."""
    notes = [each.pk for each in shown if isinstance(each, LogEntry)]
    entries = [each.pk for each in shown if isinstance(each, AuditEntry)]
    return asked.address(
        before=(notes[-1] if notes else asked.before[0], entries[-1] if entries else asked.before[1]),
    )


# --- what the two tables have ------------------------------------------------------------------------------------


def _newest_first(rows: QuerySet[_Row], at: str, before: int | None, *, is_of_the_past: bool) -> QuerySet[_Row]:
    """Order ``rows`` from the newest on, or from those older than the row ``before``.

    By their ids; of a time that is over by their times, along whose index nothing newer is read.

    Args:
        at: the field that says when.
    """
    if not is_of_the_past:
        ordered = rows.order_by("-id")
        return ordered if before is None else ordered.filter(id__lt=before)
    ordered = rows.order_by(f"-{at}", "-id")
    last = None if before is None else rows.filter(id=before).values_list(at, flat=True).first()
    if last is None:
        return ordered
    return ordered.filter(Q(**{f"{at}__lt": last}) | Q(id__lt=before), **{f"{at}__lte": last})


def _notes(asked: Asked) -> QuerySet[LogEntry]:
    """Django's notes: whatever staff did in the admin that no workspace's log has."""
    since, until = asked.span
    found = LogEntry.objects.select_related("user", "content_type")
    found = _newest_first(found, "action_time", asked.before[0], is_of_the_past=until is not None)
    if asked.by:
        found = found.filter(user__email=asked.by)
    if asked.area:
        kinds = [kind for kind in ContentType.objects.all() if acts.area_of_model(kind.model_class()) == asked.area]
        found = found.filter(content_type__in=kinds)
    if asked.customer is not None:
        found = found.filter(_about(asked.customer))
    if since is not None:
        found = found.filter(action_time__gte=since)
    if until is not None:
        found = found.filter(action_time__lt=until)
    return found.filter(_named_in_note(asked.text)) if asked.text else found


def _about(customer: UUID) -> Q:
    """Notes of the customer's rows: each id with the kind that it is of, since rows of other kinds have numbers too."""
    payments = Payment.objects.filter(workspace=customer).order_by("-paid_at").values_list("id", flat=True)
    proposals = Proposal.objects.filter(account=customer).order_by("-proposed_at").values_list("id", flat=True)
    theirs: dict[type[Any], Iterable[Any]] = {
        Workspace: [customer],
        Account: [customer],
        Payment: payments[:MOST_OF_CUSTOMER],
        Proposal: proposals[:MOST_OF_CUSTOMER],
    }
    found = Q()
    for kind, ids in theirs.items():
        found |= Q(content_type=ContentType.objects.get_for_model(kind), object_id__in=[str(each) for each in ids])
    return found


def _named_in_note(text: str) -> Q:
    """Who did it, or to what: by its whole id, an account by its address, a model by its name or slug."""
    named = Q(object_id=text.lower() if _uuid(text) else text)
    if "@" in text:
        people = User.objects.filter(email=text.lower()).values_list("id", flat=True)
        kind = ContentType.objects.get_for_model(User)
        return Q(user__email=text.lower()) | Q(content_type=kind, object_id__in=[str(each) for each in people])
    models = Model.objects.filter(Q(slug=text) | Q(name__iexact=text)).values_list("id", flat=True)
    if found := [str(each) for each in models]:
        named |= Q(content_type=ContentType.objects.get_for_model(Model), object_id__in=found)
    return named


def _entries(asked: Asked, *, may_look_up: bool) -> QuerySet[AuditEntry]:
    """The workspaces' logs: of what staff did there, or with ``everybody`` of all that changed access or money."""
    since, until = asked.span
    found = _newest_first(AuditEntry.objects.all(), "at", asked.before[1], is_of_the_past=until is not None)
    if asked.by:
        found = found.filter(actor__in=[f"{STAFF}{asked.by}", asked.by] if asked.everybody else [f"{STAFF}{asked.by}"])
    elif not asked.everybody:
        found = found.filter(actor__startswith=STAFF)
    if asked.area:
        found = found.filter(event__in=[event for event in WORDS if acts.area_of_event(event) == asked.area])
    if asked.customer is not None:
        found = found.filter(workspace=asked.customer)
    if since is not None:
        found = found.filter(at__gte=since)
    if until is not None:
        found = found.filter(at__lt=until)
    return found.filter(_named_in_entry(asked.text, may_look_up=may_look_up)) if asked.text else found


def _named_in_entry(text: str, *, may_look_up: bool) -> Q:
    wanted = _uuid(text)
    if wanted is not None:
        is_workspace = Workspace.objects.filter(id=wanted).exists()
        return Q(workspace=wanted) if is_workspace else Q(subject=str(wanted))
    if "@" in text:
        return Q(id__in=_of_address(text, may_look_up=may_look_up))
    if AN_EVENT.fullmatch(text):
        return Q(event=text)
    return Q(actor=text) | Q(subject=text)


def _of_address(text: str, *, may_look_up: bool) -> QuerySet[Any]:
    """What whoever has the address did, what was done to them, and what happened in their workspaces.

    Each by its own index and to a bound: together they would be looked for in the whole table.
    """
    address = text.lower()
    whoever = [Q(actor=each) for each in dict.fromkeys((text, address, f"{STAFF}{address}"))]
    whoever += [Q(subject=each) for each in dict.fromkeys((text, address))]
    if may_look_up:
        theirs = Membership.objects.filter(user__email=address).values_list("workspace_id", flat=True)
        whoever += [Q(workspace=each) for each in theirs[:MOST_WORKSPACES]]
    newest = [AuditEntry.objects.filter(each).order_by("-id").values("id")[:MOST_ENTRIES] for each in whoever]
    return newest[0].union(*newest[1:])


# --- what can be chosen ------------------------------------------------------------------------------------------


def _filters(asked: Asked) -> list[Chips]:
    """Whose acts, about what, when."""
    whom = [("", "What staff did"), ("everybody", "What anybody did")]
    times = [("", "Any time"), *_TIMES.items(), *_months()]
    return [
        _chips("who", whom, "everybody" if asked.everybody else "", lambda each: asked.address(everybody=bool(each))),
        _chips(
            "about", [("", "Everything"), *((a, a) for a in AREAS)], asked.area, lambda each: asked.address(area=each)
        ),
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


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
