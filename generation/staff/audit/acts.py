"""Acts as the admin's audit log shows them, whichever of two tables noted one: Django's notes of what staff did in the
admin, and the audit log of the workspaces, which says what staff and members did to one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst, get_text_list

from accounts.audit_sentences import Sentence, from_to
from accounts.models import AuditEntry, User, Workspace
from billing.models import Account, Proposal
from billing.shop.models import Payment
from generation.models import FleetSample
from loremotion.staff_sections import section_of

STAFF: Final = "staff "
"""Begins the actor of an entry that staff made."""
AREAS: Final = {
    "Catalogue": (),
    "Fleet": (),
    "Clips": ("clip",),
    "Customers": (
        *("workspace", "visitor", "staff", "webhook", "key", "provider_key", "app", "member", "budget", "plan"),
    ),
    "Money": ("credits",),
    "People": ("account", "session"),
    "System": (),
}
"""Section of the admin → what the audit log's events about it begin with."""
THE_CUSTOMER: Final = "this workspace"
"""In sentences of a workspace's own log; where there are several, its name stands there: ``of_customer``."""
_OF_ONES_OWN: Final = {"workspace.begun": "signed up"}
_TO_OR_FROM: Final = ("to", "from")
_DID: Final = re.compile(r"(?:[A-Z][a-z]+ed|Gave|Took|Brought|Sent|Had|Kept|Left|Wrote|Began)\b")
"""A note that says what was done, as whoever did it goes before it."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act: ``who`` and ``words`` are a sentence."""

    at: datetime
    who: str
    by: str
    """The address by which the log is asked for what else they did."""
    words: str
    detail: str
    area: str
    object: str
    """What it was done to, if the sentence does not say so."""
    address: str
    """Of the page of that; empty where there is none, or not for whoever asks."""
    customer: UUID | None
    code: str
    """As logs and searches call it."""
    is_of_staff: bool = True
    """Whether somebody of the staff did it."""


def of_note(note: LogEntry, request: HttpRequest) -> Act:
    """Return an act from Django's notes, which are about rows of any model."""
    kind = note.content_type
    model = kind.model_class() if kind is not None else None
    is_of_customer = model in (Account, Workspace)
    return Act(
        at=note.action_time,
        who=note.user.name or note.user.get_username(),
        by=note.user.get_username(),
        words=_words_of(note, _kind(model)),
        detail=" · ".join(_values_of(note)),
        area=area_of_model(model),
        object="" if is_of_customer else _called(note, model),
        address="" if is_of_customer else _page_of(note, model, request),
        customer=UUID(str(note.object_id)) if is_of_customer else None,
        code=f"{kind.app_label}.{kind.model}" if kind is not None else "",
    )


def _called(note: LogEntry, model: Any) -> str:
    """What it was done to: what it is and its name. A payment has none, and its id says nothing."""
    if (trial := _trial_begun_by(note)) is not None:
        return f"Test render of {note.object_repr}, {trial['object']}"
    return capfirst(f"{_kind(model)} {'' if model is Payment else note.object_repr}".strip())


def of_entry(entry: AuditEntry, names: dict[str, str], request: HttpRequest) -> Act:
    """Return an act from a workspace's audit log. ``names``: address of a person → what they are called."""
    said = Sentence.of(entry)
    address = entry.actor.removeprefix(STAFF)
    who = names.get(address, address) or address if entry.actor.startswith(STAFF) else entry.actor
    clip = _clip_of(entry)
    may_open = clip is not None and request.user.has_perm("generation.view_generation")
    words, detail = " ".join(part for part in (said.words, said.subject) if part), said.detail
    if entry.event in ("credits.adjusted", "credits.written_off"):
        way = "of" if entry.event == "credits.written_off" else _TO_OR_FROM[int(entry.detail.get("amount", 0)) < 0]
        words, detail = f"{words} {way} {THE_CUSTOMER}{_after(str(entry.detail.get('reason', '')), ': ')}", ""
    return Act(
        at=entry.at,
        who=who,
        by=address,
        words=words,
        detail=" · ".join(part for part in (detail, f"network {entry.network[:8]}" if entry.network else "") if part),
        area=area_of_event(entry.event),
        object="Clip" if clip else "",
        address=reverse("admin:generation_generation_change", args=[clip]) if may_open else "",
        customer=entry.workspace_id,
        code=entry.event,
        is_of_staff=entry.actor.startswith(STAFF),
    )


def with_customers(rows: Sequence[LogEntry | AuditEntry], found: Sequence[Act]) -> list[Act]:
    """Return the acts, those on payments and proposals with whose these are: two queries at most."""
    owners: dict[str, dict[str, UUID]] = {}
    for model, field in ((Payment, "workspace"), (Proposal, "account")):
        code = model._meta.label_lower
        noted = (row for row, act in zip(rows, found, strict=True) if act.code == code)
        ids = [row.object_id for row in noted if isinstance(row, LogEntry) and row.object_id]
        theirs = model._default_manager.filter(pk__in=ids).values_list("pk", field) if ids else ()
        owners[code] = {str(pk): owner for pk, owner in theirs}
    return [
        replace(act, customer=owners[act.code].get(str(row.object_id)))
        if isinstance(row, LogEntry) and act.code in owners
        else act
        for row, act in zip(rows, found, strict=True)
    ]


def of_customer(act: Act, name: str) -> Act:
    """Return ``act`` with the customer's name in its sentence. A person's own workspace is called as they are."""
    if act.who != name:
        return replace(act, words=act.words.replace(THE_CUSTOMER, name))
    return replace(act, words=_OF_ONES_OWN.get(act.code) or act.words.replace(THE_CUSTOMER, "their own workspace"))


def area_of_model(model: Any) -> str:
    """Return the section of the admin in which a model's rows are acted on."""
    if model is None:
        return ""
    return "Fleet" if model is FleetSample else section_of(model._meta.app_label, model._meta.model_name)


def area_of_event(event: str) -> str:
    """Return the section of the admin that an event of the audit log is about."""
    begin = event.partition(".")[0]
    return next((area for area, begins in AREAS.items() if begin in begins), "Customers")


def _clip_of(entry: AuditEntry) -> UUID | None:
    try:
        return UUID(entry.subject) if entry.event.startswith("clip.") else None
    except ValueError:
        return None


def _kind(model: Any) -> str:
    if model is None:
        return ""
    return "GPU worker" if model is FleetSample else str(model._meta.verbose_name)


def _page_of(note: LogEntry, model: Any, request: HttpRequest) -> str:
    if model is FleetSample:
        return reverse("admin:generation_fleet") if request.user.has_perm("generation.view_fleet") else ""
    if (trial := _trial_begun_by(note)) is not None and request.user.has_perm("catalog.change_model"):
        return reverse("generation:trial", args=[trial["trial"]])
    page = admin.site._registry.get(model)
    if page is None or note.action_flag == DELETION or not page.has_view_permission(request):
        return ""
    try:
        return note.get_admin_url() or ""
    except NoReverseMatch:
        return ""


def _words_of(note: LogEntry, kind: str) -> str:
    """What was done, after the name of whoever did it."""
    row = f"the {kind} {note.object_repr}".replace("  ", " ")
    said = note.change_message.strip()
    if note.action_flag == ADDITION:
        return f"added {row}{_after(said, ': ')}"
    if note.action_flag == DELETION:
        return f"deleted {row}"
    if (trial := _trial_begun_by(note)) is not None:
        return f"began a test render of {trial['object']}"
    if said.startswith("["):
        return _of_form(said, row)
    if note.content_type is not None and note.content_type.model_class() is FleetSample:
        return f"gave a command: {said[:1].lower()}{said[1:].rstrip('.')}"
    if _DID.match(said):
        return said[:1].lower() + said[1:].rstrip(".")
    return f"changed {row}{_after(said, ': ')}"


def _after(said: str, between: str) -> str:
    return f"{between}{said.rstrip('.')}" if said and not said.startswith("[") else ""


def _of_form(said: str, row: str) -> str:
    """What Django notes of a form: which fields of the row changed, and which rows below it came, changed or went."""
    parts = _parts_of(said)
    if parts is None:
        return f"changed {row}"
    found = [text for part in parts for text in _of_part(part, row)]
    return get_text_list(found, "and") or f"saved {row} as it was"


def _trial_begun_by(note: LogEntry) -> dict[str, str] | None:
    """Version and id of the test render that the note is about, as ``generation.pages.trial_views`` wrote it down."""
    parts = _parts_of(note.change_message) if note.change_message.startswith("[") else None
    added = (part.get("added", {}) for part in parts or ())
    return next((each for each in added if isinstance(each, dict) and "trial" in each), None)


def _parts_of(said: str) -> list[dict[str, Any]] | None:
    """What was noted of a form, part by part; None of what is no such note."""
    try:
        parts = json.loads(said)
    except ValueError:
        return None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else None


def _values_of(note: LogEntry) -> Iterable[str]:
    """What each field said before and says now, as ``loremotion.noted_values`` wrote it down."""
    for part in (_parts_of(note.change_message) if note.change_message.startswith("[") else None) or ():
        for label, before, after in part.get("changed", {}).get("values", ()):
            yield from_to(label, before, after)


def _of_part(part: dict[str, Any], row: str) -> Iterable[str]:
    for done, what in part.items():
        below = f"the {what['name']} {what.get('object', '')}".strip() if "name" in what else ""
        fields = get_text_list([str(field).lower() for field in what.get("fields", ())], "and")
        if done == "changed":
            yield f"changed {fields} of {below or row}" if fields else f"changed {below or row}"
        else:
            yield f"{done} {below or row}"


def actor_names(actors: Iterable[str]) -> dict[str, str]:
    """Return address → name, of those actors of the audit log that are people with an account and a name."""
    addresses = {actor.removeprefix(STAFF) for actor in actors if "@" in actor}
    found = User.objects.filter(email__in=addresses).exclude(name="")
    return dict(found.values_list("email", "name"))
