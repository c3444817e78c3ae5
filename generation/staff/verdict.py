"""Whether the system is well, and if not, what to do about each thing that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse

from generation.settlement import ledger_check
from generation.staff.need import Need
from loremotion.health import Fault, Readiness


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong, and what to do about it."""

    what: str
    next_step: str
    address: str = ""
    """Where to do it, if that is a page."""
    count: int = 1
    """How many things of its kind: each counts, as in the list of pages."""


def troubles(
    found: Sequence[Need], *, faults: Sequence[Fault], readiness: Readiness, queued: int, takes_clips: bool
) -> list[Trouble]:
    """Return what is wrong, the worst first.

    Args:
        found: what waits for whoever looks.
        faults: what every page of the admin tells.
        queued: clips that wait to be handed to a worker.
        takes_clips: whether any worker takes some.
    """
    return [
        *_of_stores(readiness),
        *(Trouble(fault.what, fault.next_step) for fault in faults),
        *_of_books(readiness),
        *_of_workers(queued, takes_clips),
        *_of_needs(found),
    ]


def _of_stores(readiness: Readiness) -> Iterator[Trouble]:
    if not readiness.database:
        yield Trouble("PostgreSQL takes no new connection.", "Look which process holds them, or raise max_connections.")


def _of_books(readiness: Readiness) -> Iterator[Trouble]:
    """What the last check of the ledger found, which is kept in Valkey."""
    if not readiness.valkey:
        return
    check = ledger_check.last()
    if check is None:
        yield Trouble("Nobody has checked the books in the last week.", "Look whether the beat runs: it checks them.")
    elif check.violations:
        yield Trouble(
            "The books do not add up.",
            "Read below which accounts, stop selling, and run manage.py audit_ledger.",
            "#ledger",
        )


def _of_workers(queued: int, takes_clips: bool) -> Iterator[Trouble]:
    if queued and not takes_clips:
        yield Trouble(
            "Clips wait, and no worker takes any.",
            "Start a GPU worker, or resume one that drains.",
            reverse("admin:generation_fleet"),
        )


def _of_needs(found: Sequence[Need]) -> Iterator[Trouble]:
    for need in found:
        if need.is_broken:
            count = f"{intcomma(need.count)}{'+' if need.may_be_more else ''}"
            yield Trouble(f"{count} {need.one if need.count == 1 else need.many}", need.todo, need.address, need.things)
