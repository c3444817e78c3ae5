"""An account's movements as people read them: what it was, what it changed, and where to look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.caller import Caller
from billing import ledger
from billing.ledger import Movement, StatementLine
from billing.models import Hold
from billing.shop.models import Payment
from billing.shop.templatetags.shop import credits as credits_in_words
from loremotion.csv_lines import csv_line

PAGE = 12
OF_CLIPS: Final = ("hold", "settle")
"""Kinds of movement that a clip makes: their reference is its id."""
WORDS = {
    "free": gettext_lazy("Daily free credits"),
    "order": gettext_lazy("Pack"),
    "invoice": gettext_lazy("Plan"),
    "merge": gettext_lazy("Moved from another workspace"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One movement of a clip's credits."""

    at: datetime
    what: str
    change: int


@dataclass(frozen=True, slots=True)
class Line:
    """One movement, or a clip with all of its. ``url`` leads to the clip, order or invoice that it is about; empty
    where there is none."""

    at: datetime
    what: str
    change: int
    available: int
    debt_change: int
    url: str
    note: str
    refunded: int = 0
    is_reserved: bool = False
    """Whether the clip has not ended, and what it takes may still be less."""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, newest first. ``older`` is the ``before`` of the next page, or None on the last."""

    lines: list[Line]
    older: int | None


def page(account: UUID, *, caller: Caller, before: int | None = None) -> Page:
    """One page of the account's history, a line for each clip, at the same cost wherever it is."""
    found = ledger.statement(account=account, before=before, limit=PAGE + 1)
    shown = found[:PAGE]
    return Page(_lines(shown, caller), shown[-1].movement.seq if len(found) > PAGE else None)


def as_csv(account: UUID) -> Iterator[str]:
    """All movements, newest first, line by line."""
    amounts = (_("credits"), _("held"), _("owed"), _("available after"))
    yield csv_line([_("at"), _("what"), *amounts, _("reference"), _("note")])
    before: int | None = None
    while movements := ledger.movements(account=account, before=before, limit=500):
        for one in movements:
            change = (one.available_change, one.held_change, one.debt_change, one.available)
            yield csv_line([one.created_at.isoformat(), words_of(one), *change, one.reference, one.reason])
        before = movements[-1].seq


def open_holds(account: UUID, *, caller: Caller, limit: int) -> list[tuple[Hold, str, str]]:
    """Credits set aside for what is not finished, with its title and address. The title is empty where the caller
    doesn't see the clip."""
    holds = list(Hold.objects.filter(account=account, state=Hold.State.OPEN).order_by("-held_at")[:limit])
    titles = _titles(caller, {hold.id for hold in holds})
    return [(hold, titles.get(hold.id, ""), reverse(settings.HOLD_PAGE, args=[hold.id])) for hold in holds]


def _titles(caller: Caller, clips: set[UUID]) -> dict[UUID, str]:
    found: dict[UUID, str] = import_string(settings.HOLD_TITLES)(caller, clips) if clips else {}
    return found


def _lines(statement: list[StatementLine], caller: Caller) -> list[Line]:
    movements = [one.movement for one in statement]
    sources = {source for one in movements if (source := _source(one.reference)).startswith("invoice:")}
    invoices = dict(Payment.objects.filter(source__in=sources).values_list("source", "invoice_url")) if sources else {}
    titles = _titles(caller, {UUID(one.reference) for one in movements if one.kind in OF_CLIPS})
    return [
        _line_of_clip(one, titles.get(UUID(one.movement.reference)))
        if one.movement.kind in OF_CLIPS
        else _line_of_other(one.movement, invoices)
        for one in statement
    ]


def _line_of_other(one: Movement, invoices: dict[str, str]) -> Line:
    return Line(
        at=one.created_at,
        what=words_of(one),
        change=one.available_change,
        available=one.available,
        debt_change=one.debt_change,
        url=_url(one, invoices),
        note=one.reason,
    )


def _line_of_clip(line: StatementLine, title: str | None) -> Line:
    """What a clip took in the end, or has reserved. ``title`` is None where the reader doesn't see the clip."""
    last, is_reserved = line.movement, line.movement.kind == "hold"
    steps = []
    if line.held is not None:
        steps = [
            Step(line.held.created_at, _("Reserved"), line.held.available_change),
            Step(last.created_at, _end_of(line), last.available_change),
        ]
    return Line(
        at=last.created_at,
        what=_("Clip") if title is None else title,
        change=last.available_change if is_reserved else -line.captured,
        available=last.available,
        debt_change=last.debt_change,
        url="" if title is None else _url(last, {}),
        note="",
        refunded=line.released,
        is_reserved=is_reserved,
        steps=tuple(steps),
    )


def _end_of(line: StatementLine) -> str:
    amounts = {"charged": credits_in_words(line.captured), "refunded": credits_in_words(line.released)}
    if not line.captured:
        return _("%(refunded)s refunded") % amounts
    if line.released:
        return _("%(charged)s charged, %(refunded)s refunded") % amounts
    return _("%(charged)s charged") % amounts


def _source(reference: str) -> str:
    """What a payment is called in ``Payment.source``, from the reference of a lot of it or of what became of that."""
    return reference.split("~")[0].removesuffix(":rollover")


def words_of(one: Movement) -> str:
    """Return what a movement was, in a few words."""
    subject = str(WORDS.get(one.reference.partition(":")[0], ""))
    if one.kind == "hold":
        return _("Reserved for a clip")
    if one.kind == "settle":
        return _("Clip") if one.available_change + one.held_change < 0 else _("Refund")
    if one.kind == "grant":
        return subject or _("Credits from us")
    if one.kind == "expire":
        return _("%(credits)s: expired") % {"credits": subject or _("Credits")}
    if one.kind == "clawback":
        is_back = one.available_change > 0
        words = _("%(credits)s: restored") if is_back else _("%(credits)s: removed, payment returned")
        return words % {"credits": subject}
    return {"adjust": _("Adjusted by staff"), "merge": str(WORDS["merge"]), "writeoff": _("Debt written off")}[one.kind]


def one_row_a_clip(account: UUID, movements: Sequence[Movement]) -> list[tuple[Movement, str]]:
    """Return movements in words, of a clip that is over one alone: when it was settled, and what it took in the end.

    What was reserved for it before is part of that row; only what is reserved now has a row of its own.
    """
    held = {UUID(one.reference) for one in movements if one.kind == "hold"} | {account}  # never an empty question
    still_held = Hold.objects.filter(id__in=held, state=Hold.State.OPEN).values_list("id", flat=True)
    reserved = {str(each) for each in still_held}
    rows = []
    for one in movements:
        if one.kind == "settle":
            net = replace(one, available_change=one.available_change + one.held_change, held_change=0)
            if not one.available_change:
                words = _("Clip")
            elif net.available_change:
                words = _("Clip: %(credits)s given back") % {"credits": intcomma(one.available_change)}
            else:
                words = _("Clip: nothing was charged")
            rows.append((net, words))
        elif one.kind != "hold" or one.reference in reserved:
            rows.append((one, words_of(one)))
    return rows


def _url(one: Movement, invoices: dict[str, str]) -> str:
    kind, _colon, name = _source(one.reference).partition(":")
    if one.kind in OF_CLIPS:
        return reverse(settings.HOLD_PAGE, args=[one.reference])
    if kind == "order":
        return reverse("shop:order", args=[name])
    return invoices.get(_source(one.reference), "")
