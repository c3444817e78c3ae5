"""Clips for staff: filters that read no whole table, one clip's way through the processes, and another attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import redis
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone

from accounts import audit, whose
from accounts.audit_sentences import Sentence
from accounts.models import AuditEntry, User
from billing.models import Hold
from catalog.models import Model
from generation.models import Clip, Generation, State
from generation.scheduling import capacity, wait
from generation.settlement import retries, settle
from generation.staff import late, why_waiting
from generation.storage import serving
from generation.tiers import FREE_BEGINS
from generation.webhooks.models import Delivery
from gpu_worker.error_codes import HANDED_BACK
from loremotion.outbox.models import MailMessage
from loremotion.outbox.models import State as SentState
from loremotion.refusals import Conflict, Refusal
from loremotion.staff_words import as_words
from loremotion.time_filter import TimeFilter

CANCELLED: Final = "Cancelled."
RETRIED: Final = "Started again: another attempt makes it."
MOST_SENT: Final = 50
"""Mails, webhook events and entries of the audit log about one clip that its timeline shows."""


class AskedFilter(TimeFilter):
    field = "created_at"


class ModelFilter(admin.SimpleListFilter):
    title = "model"
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        offered = Model.objects.exclude(status=Model.Status.DRAFT).order_by("name")
        return [(slug, name) for slug, name in offered.values_list("slug", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Generation]) -> QuerySet[Generation]:
        return queryset.filter(version__model__slug=self.value()) if self.value() else queryset


class PresetFilter(admin.SimpleListFilter):
    title = "preset"
    parameter_name = "preset"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Those of the models that are offered; clips are not read for it."""
        offered = Model.objects.enabled().with_versions()
        names = sorted({name for model in offered if model.current is not None for name in model.current.presets})
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Generation]) -> QuerySet[Generation]:
        return queryset.filter(preset=self.value()) if self.value() else queryset


class TierFilter(admin.SimpleListFilter):
    title = "paid"
    parameter_name = "paid"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", "Paid"), ("no", "Free")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Generation]) -> QuerySet[Generation]:
        chosen = {"yes": {"fair_finish__lt": FREE_BEGINS}, "no": {"fair_finish__gte": FREE_BEGINS}}
        return queryset.filter(**chosen.get(self.value() or "", {}))


class TroubleFilter(admin.SimpleListFilter):
    title = "trouble"
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("error", "With an error"), ("again", "More than one attempt"), ("late", "Far beyond its forecast")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Generation]) -> QuerySet[Generation]:
        if self.value() == "error":
            return queryset.exclude(error_code="")
        if self.value() == "late":
            return queryset.filter(id__in=[*late.far()])
        return queryset.filter(attempt__gt=1) if self.value() == "again" else queryset


def asks_for_late(request: HttpRequest) -> bool:
    """Whether it is the list of those alone that are far beyond their forecast."""
    return request.GET.get(TroubleFilter.parameter_name) == "late"


def waiting(generation: Generation) -> dict[str, Any]:
    """Return why a clip that no GPU has begun waits, when it is ready, and whether its place decides that.

    Empty for other clips, and if nobody knows.
    """
    if generation.state not in (State.QUEUED, State.DISPATCHED):
        return {}
    try:
        found = wait.waits_of([generation])[generation.id]
        budgets = capacity.budgets_of(capacity.statuses())
    except redis.RedisError:
        return {}
    return {
        "why_waiting": why_waiting.why(generation, found, budgets),
        "ready": found.in_words,
        "place_decides": not found.is_for_a_machine,
    }


def seconds_between(begin: datetime | None, end: datetime | None) -> str:
    """Return how long it was, for people; empty where it is not over."""
    if begin is None or end is None:
        return ""
    seconds = (end - begin).total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def duration(generation: Generation, begin: datetime | None, end: datetime | None) -> str:
    """Return how long it was; of a clip that is not over, how long it has been until now."""
    return seconds_between(begin, timezone.now() if end is None and generation.is_open else end)


def title(generation: Generation) -> str:
    """Return what its page is called: whose it is, its state, and how long it has been in that if it is open."""
    since = generation.started_at or generation.dispatched_at or generation.created_at
    state = generation.get_state_display()
    state = state[:1].lower() + state[1:]
    how_long = f" for {duration(generation, since, None)}" if generation.is_open else ""
    return f"{generation.version.model.name} clip for {whose.title_of(generation.workspace)}, {state}{how_long}"


def poster(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """The picture of a clip, for the list. Private clips are their makers' alone."""
    clip = get_object_or_404(Clip.objects.select_related("generation"), generation=generation_id)
    if clip.generation.is_private or clip.generation.deleted_at is not None:
        raise Http404
    return serving.serve_file(request, clip.poster_key, "image/jpeg", reader=None, etag=f'"{clip.sha256}-poster"')


def cancel_as_staff(generation: Generation, *, by: User) -> str:
    """Cancel a clip and give its credits back, noted in its workspace's audit log. Returns what was done, in words.

    Raises:
        Conflict: it has ended.
    """
    return _noted(generation, settle.cancel, "clip.cancelled", by, CANCELLED)


def retry_as_staff(generation: Generation, *, by: User) -> str:
    """Have another attempt make a clip: ``retry``, noted and answered as ``cancel_as_staff`` does."""
    return _noted(generation, retry, "clip.retried", by, RETRIED)


def _noted(generation: Generation, act: Callable[[Generation], object], event: str, by: User, done: str) -> str:
    with transaction.atomic():  # nothing is done without a note of it
        act(generation)
        audit.record(generation.workspace, event, actor=f"staff {by.email}", subject=str(generation.id))
    return done


def retry(generation: Generation) -> None:
    """Take a clip away from the attempt that hangs, and have another one make it. It keeps its place and its credits.

    Safe at any time: whichever attempt delivers first ends it, and the other one is stopped.

    Raises:
        Conflict: no attempt has it.
    """
    is_taken = retries.requeue(
        generation_id=generation.id,
        attempt=generation.attempt,
        code=HANDED_BACK,
        reason="We started this clip again.",
    )
    if not is_taken:
        raise Conflict("not_in_flight", "No GPU has this clip.", next_step="It waits for its turn, or is over.")


def retry_one(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    return _do(request, generation_id, retry_as_staff)


def cancel_one(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    return _do(request, generation_id, cancel_as_staff)


def _do(request: HttpRequest, generation_id: UUID, act: Callable[..., str]) -> HttpResponse:
    """What a button of a clip's page does."""
    generation = get_object_or_404(Generation.objects.select_related("workspace"), id=generation_id)
    try:
        messages.success(request, act(generation, by=cast(User, request.user)))
    except Refusal as refusal:
        messages.warning(request, str(refusal))
    return redirect("admin:generation_generation_change", generation_id)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a clip: when, in which process, what."""

    at: datetime
    process: str
    what: str
    since: str
    """How long after the moment before it."""


def timeline(generation: Generation, *, names_members: bool) -> list[Moment]:
    """Return how the clip has gone so far, oldest first.

    Args:
        names_members: whether it shows members' addresses, as whoever may look customers up may see them.
    """
    worker = f"GPU worker {generation.worker}" if generation.worker else "GPU worker"
    happened: list[tuple[datetime | None, str, str]] = [
        (generation.created_at, "web", "Asked for, credits held, put into the queue"),
        (generation.dispatched_at, "scheduler", f"Handed to the GPUs, attempt {generation.attempt}"),
        (generation.started_at, worker, "Started"),
        (generation.cancel_asked_at, "web", "Cancelling was asked for"),
        *_stages(generation, worker),
        (generation.finished_at, "reports", f"Ended: {_ended(generation)}"),
        (generation.deleted_at, "web", "Deleted by its owner"),
    ]
    hold = Hold.objects.filter(id=generation.id).first()
    if hold is not None and hold.settled_at is not None:
        said = f"Credits settled: {hold.captured} charged, {hold.released} given back"
        happened.append((hold.settled_at, "reports", said))
    happened += [*_by_hand(generation, names_members=names_members), *_mail(generation), *_webhooks(generation)]
    found = sorted(((at, where, what) for at, where, what in happened if at is not None), key=lambda each: each[0])
    moments, last = [], None
    for at, where, what in found:
        moments.append(Moment(at, where, what, seconds_between(last, at)))
        last = at
    return [*moments, *_still(generation, worker)]


def _ended(generation: Generation) -> str:
    """How it ended, as "Failed, out of memory"."""
    why = f", {as_words(generation.error_code).lower()}" if generation.error_code else ""
    return f"{generation.get_state_display()}{why}"


def _still(generation: Generation, worker: str) -> Iterator[Moment]:
    """What an open clip does now, and for how long it has."""
    if not generation.is_open:
        return
    now = timezone.now()
    if generation.started_at is not None:
        yield Moment(now, worker, f"Still rendering, {seconds_between(generation.started_at, now)}", "")
    else:
        yield Moment(now, "scheduler", f"Still waiting, {seconds_between(generation.created_at, now)}", "")


def _stages(generation: Generation, worker: str) -> Iterator[tuple[datetime | None, str, str]]:
    """Each stage of the last attempt at its end; they follow each other."""
    at = generation.started_at
    if at is None or generation.state not in (State.SUCCEEDED, State.FAILED):
        return
    for stage, seconds in generation.stages:
        at += timedelta(seconds=float(seconds))
        yield at, worker, f"{stage}: {seconds:.1f} s"


def _by_hand(generation: Generation, *, names_members: bool) -> Iterator[tuple[datetime | None, str, str]]:
    """What staff and members did to it by hand, as the audit log says it."""
    for entry in AuditEntry.objects.filter(subject=str(generation.id)).order_by("-id")[:MOST_SENT]:
        who = entry.actor if names_members or entry.actor.startswith(("staff ", "key ")) else "a member"
        yield entry.at, "web", f"{who} {Sentence.of(entry).words}"


def _mail(generation: Generation) -> Iterator[tuple[datetime | None, str, str]]:
    """When each mail about it was written, and how it ended. To whom it went is no part of the clip's way."""
    for message in MailMessage.objects.filter(about=generation.id).order_by("id")[:MOST_SENT]:
        yield message.created_at, "reports", "Mail to whoever asked for it: written"
        yield message.ended_at, "mail", f"Mail {_outcome(message)}"


def _webhooks(generation: Generation) -> Iterator[tuple[datetime | None, str, str]]:
    """When each event about it was written, and how the endpoint took it."""
    sent = Delivery.objects.filter(video_id=generation.id).select_related("endpoint").order_by("id")
    for delivery in sent[:MOST_SENT]:
        named = f"Webhook {delivery.event_type} to {delivery.endpoint.name}"
        answer = f", last answer {delivery.last_status}" if delivery.last_status else ""
        yield delivery.created_at, "reports", f"{named}: written"
        yield delivery.ended_at, "webhooks", f"{named}: {_outcome(delivery)}{answer}"


def _outcome(outgoing: MailMessage | Delivery) -> str:
    """How it ended, after how many attempts."""
    attempts = f" after {outgoing.attempts} attempts" if outgoing.attempts > 1 else ""
    why = f": {outgoing.last_error}" if outgoing.state == SentState.DEAD and outgoing.last_error else ""
    return f"{'sent' if outgoing.state == SentState.SENT else 'failed'}{attempts}{why}"
