"""Which rows of Django's notes and of the workspaces' logs are asked for, each found along an index."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet

from accounts.audit_sentences import WORDS
from accounts.models import AuditEntry, Membership, User, Workspace
from billing.models import Account, Proposal
from billing.shop.models import Payment
from catalog.models import Model
from generation.staff.audit.acts import STAFF, area_of_event, area_of_model
from generation.staff.audit.asked import Asked, uuid_of
from generation.staff.audit.sight import Sight

_Row = TypeVar("_Row", LogEntry, AuditEntry)

MOST_ENTRIES: Final = 500
"""Of one actor, thing or workspace, among which a search for an address looks: the newest."""
MOST_WORKSPACES: Final = 20
MOST_OF_CUSTOMER: Final = 200
"""Payments, and proposals, of a customer that acts were about: the newest."""
AN_EVENT: Final = re.compile(r"[a-z_]+\.[a-z_]+")


def newest(asked: Asked, sight: Sight, *, limit: int) -> tuple[list[LogEntry | AuditEntry], bool]:
    """Return the ``limit`` newest rows of both tables that are asked for and seen, and whether there are older ones."""
    notes = list(_notes(asked, sight, limit + 1))
    entries = list(_entries(asked, sight, limit + 1))
    both: Iterable[LogEntry | AuditEntry] = heapq.merge(notes, entries, key=_at, reverse=True)
    shown = [each for each, _ in zip(both, range(limit), strict=False)]
    return shown, len(notes) + len(entries) > len(shown)


def _at(row: LogEntry | AuditEntry) -> Any:
    return row.at if isinstance(row, AuditEntry) else row.action_time


def oldest_of(asked: Asked, shown: list[LogEntry | AuditEntry]) -> tuple[int | None, int | None]:
    """Return what the page after ``shown`` begins before: by the keys of both tables, so that no act is left out or
    shown twice, whatever came meanwhile."""
    notes = [each.pk for each in shown if isinstance(each, LogEntry)]
    entries = [each.pk for each in shown if isinstance(each, AuditEntry)]
    return notes[-1] if notes else asked.before[0], entries[-1] if entries else asked.before[1]


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


def _of_each(rows: QuerySet[_Row], field: str, values: Iterable[Any], limit: int) -> QuerySet[_Row]:
    """Return the ``limit`` newest of ``rows`` whose ``field`` is one of ``values``, in the order that they have.

    Those of each value are found along its own index: together they would be looked for among all that is newer.
    """
    each = [rows.filter(**{field: value}).values("id")[:limit] for value in values]
    if not each:
        return rows.none()
    return rows.filter(id__in=each[0].union(*each[1:], all=True))[:limit]


# --- Django's notes: whatever staff did in the admin that no workspace's log has ------------------------------------


def _notes(asked: Asked, sight: Sight, limit: int) -> QuerySet[LogEntry]:
    since, until = asked.span
    found = LogEntry.objects.select_related("user", "content_type")
    found = _newest_first(found, "action_time", asked.before[0], is_of_the_past=until is not None)
    if asked.by:
        found = found.filter(user__email=asked.by)
    if asked.customer is not None:
        found = found.filter(_about(asked.customer))
    if since is not None:
        found = found.filter(action_time__gte=since)
    if until is not None:
        found = found.filter(action_time__lt=until)
    if asked.text:
        found = found.filter(_named_in_note(asked.text, sight))
    kinds = sight.kinds
    if asked.area:
        of_area = (kind for kind in ContentType.objects.all() if area_of_model(kind.model_class()) == asked.area)
        kinds = tuple(kind.id for kind in of_area if kinds is None or kind.id in kinds)
    return found[:limit] if kinds is None else _of_each(found, "content_type_id", kinds, limit)


def _about(customer: Any) -> Q:
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


def _named_in_note(text: str, sight: Sight) -> Q:
    """Who did it, or to what: by its whole id, an account by its address, a model by its name or slug."""
    named = Q(object_id=text.lower() if uuid_of(text) else text)
    if "@" in text:
        by = Q(user__email=text.lower())
        if not sight.names_people:
            return by
        people = User.objects.filter(email=text.lower()).values_list("id", flat=True)
        kind = ContentType.objects.get_for_model(User)
        return by | Q(content_type=kind, object_id__in=[str(each) for each in people])
    models = Model.objects.filter(Q(slug=text) | Q(name__iexact=text)).values_list("id", flat=True)
    if found := [str(each) for each in models]:
        named |= Q(content_type=ContentType.objects.get_for_model(Model), object_id__in=found)
    return named


# --- the workspaces' logs: what staff did there, or with ``everybody`` all that changed access or money --------------


def _entries(asked: Asked, sight: Sight, limit: int) -> QuerySet[AuditEntry]:
    since, until = asked.span
    found = _newest_first(AuditEntry.objects.all(), "at", asked.before[1], is_of_the_past=until is not None)
    is_of_anybody = asked.everybody and sight.is_whole
    if asked.by:
        every = is_of_anybody and sight.names_people
        found = found.filter(actor__in=[f"{STAFF}{asked.by}", asked.by] if every else [f"{STAFF}{asked.by}"])
    elif not is_of_anybody:
        found = found.filter(actor__startswith=STAFF)
    if asked.customer is not None:
        found = found.filter(workspace=asked.customer)
    if since is not None:
        found = found.filter(at__gte=since)
    if until is not None:
        found = found.filter(at__lt=until)
    if asked.text:
        found = found.filter(_named_in_entry(asked.text, sight))
    events = sight.events
    if asked.area:
        of_area = (event for event in WORDS if area_of_event(event) == asked.area)
        events = tuple(event for event in of_area if events is None or event in events)
    return found[:limit] if events is None else _of_each(found, "event", events, limit)


def _named_in_entry(text: str, sight: Sight) -> Q:
    wanted = uuid_of(text)
    if wanted is not None:
        is_workspace = Workspace.objects.filter(id=wanted).exists()
        return Q(workspace=wanted) if is_workspace else Q(subject=str(wanted))
    if "@" in text:
        return Q(id__in=_of_address(text, sight)) if sight.names_people else Q(actor=f"{STAFF}{text.lower()}")
    if AN_EVENT.fullmatch(text):
        return Q(event=text)
    return Q(actor=text) | Q(subject=text)


def _of_address(text: str, sight: Sight) -> QuerySet[Any]:
    """What whoever has the address did, what was done to them, and what happened in their workspaces.

    Each by its own index and to a bound: together they would be looked for in the whole table.
    """
    address = text.lower()
    whoever = [Q(actor=each) for each in dict.fromkeys((text, address, f"{STAFF}{address}"))]
    whoever += [Q(subject=each) for each in dict.fromkeys((text, address))]
    if sight.names_customers:
        theirs = Membership.objects.filter(user__email=address).values_list("workspace_id", flat=True)
        whoever += [Q(workspace=each) for each in theirs[:MOST_WORKSPACES]]
    newest = [AuditEntry.objects.filter(each).order_by("-id").values("id")[:MOST_ENTRIES] for each in whoever]
    return newest[0].union(*newest[1:])
