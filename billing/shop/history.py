"""An account's movements as people read them: what it was, what it changed, and where to look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from billing import ledger
from billing.ledger import Movement
from billing.models import Hold
from billing.shop.models import Payment
from loremotion.csv_lines import csv_line

PAGE = 40
WORDS = {
    "free": "Daily free credits",
    "order": "Pack",
    "invoice": "Plan",
    "merge": "Moved from another workspace",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One movement. ``url`` leads to the clip, order or invoice that it is about; empty where there is none."""

    at: datetime
    what: str
    change: int
    held_change: int
    available: int
    debt_change: int
    url: str
    note: str


@dataclass(frozen=True, slots=True)
class Page:
    """Movements, newest first. ``older`` is the ``before`` of the next page, or None on the last."""

    lines: list[Line]
    older: int | None


def page(account: UUID, *, before: int | None = None) -> Page:
    """One page of the account's history, at the same cost wherever it is."""
    found = ledger.movements(account=account, before=before, limit=PAGE + 1)
    shown = found[:PAGE]
    return Page(_lines(shown), shown[-1].seq if len(found) > PAGE else None)


def as_csv(account: UUID) -> Iterator[str]:
    """All movements, newest first, line by line."""
    yield csv_line(["at", "what", "credits", "held", "owed", "available after", "reference", "note"])
    before: int | None = None
    while movements := ledger.movements(account=account, before=before, limit=500):
        for one in movements:
            change = (one.available_change, one.held_change, one.debt_change, one.available)
            yield csv_line([one.created_at.isoformat(), words_of(one), *change, one.reference, one.reason])
        before = movements[-1].seq


def open_holds(account: UUID, *, limit: int) -> list[tuple[Hold, str]]:
    """Credits set aside for what is not finished, with the address of it."""
    holds = Hold.objects.filter(account=account, state=Hold.State.OPEN).order_by("-held_at")[:limit]
    return [(hold, reverse(settings.HOLD_PAGE, args=[hold.id])) for hold in holds]


def _lines(movements: list[Movement]) -> list[Line]:
    sources = {_source(one.reference) for one in movements}
    invoices = dict(Payment.objects.filter(source__in=sources).values_list("source", "invoice_url"))
    return [
        Line(
            at=one.created_at,
            what=words_of(one),
            change=one.available_change,
            held_change=one.held_change,
            available=one.available,
            debt_change=one.debt_change,
            url=_url(one, invoices),
            note=one.reason,
        )
        for one in movements
    ]


def _source(reference: str) -> str:
    """What a payment is called in ``Payment.source``, from the reference of a lot of it or of what became of that."""
    return reference.split("~")[0].removesuffix(":rollover")


def words_of(one: Movement) -> str:
    """Return what a movement was, in a few words."""
    subject = WORDS.get(one.reference.partition(":")[0], "")
    if one.kind == "hold":
        return "Reserved for a clip"
    if one.kind == "settle":
        return "Clip" if one.available_change + one.held_change < 0 else "Refund"
    if one.kind == "grant":
        return subject or "Credits from us"
    if one.kind == "expire":
        return f"{subject or 'Credits'}: expired"
    if one.kind == "clawback":
        return f"{subject}: {'restored' if one.available_change > 0 else 'removed, payment returned'}"
    return {"adjust": "Adjusted by staff", "merge": WORDS["merge"], "writeoff": "Debt written off"}[one.kind]


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
            given_back = f"{one.available_change} given back" if net.available_change else "nothing was charged"
            rows.append((net, f"Clip: {given_back}" if one.available_change else "Clip"))
        elif one.kind != "hold" or one.reference in reserved:
            rows.append((one, words_of(one)))
    return rows


def _url(one: Movement, invoices: dict[str, str]) -> str:
    kind, _, name = _source(one.reference).partition(":")
    if one.kind in ("hold", "settle"):
        return reverse(settings.HOLD_PAGE, args=[one.reference])
    if kind == "order":
        return reverse("shop:order", args=[name])
    return invoices.get(_source(one.reference), "")
