"""The fleet for staff: each GPU worker with its memory, clip and last hour, and the queue with why each clip waits."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import redis
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.models import User
from catalog.models import Model
from generation.live import progress
from generation.models import Generation, State
from generation.scheduling import capacity, fleet_samples, storage_pause, wait
from generation.staff import fleet_commands, late, line_of_clips
from generation.staff.late import Late
from gpu_worker.contract import Progress
from gpu_worker.liveness import takes_jobs
from gpu_worker.worker_status import CardStatus, ResidentComponent, WorkerStatus
from loremotion.refusals import Refusal

MOST_WORKERS: Final = 64
MOST_COMPONENTS: Final = 24
MOST_CARDS: Final = 16
MOST_COUNTED: Final = 1000
"""Of the queue: how long it is beyond that changes nothing that staff does."""
WIDTH: Final = 480
COLOURS: Final = 8
_ENTRIES: Final = 4
"""Of a clip's stream that are read: no picture is shown here."""


@dataclass(frozen=True, slots=True)
class Part:
    """One component in the memory of a card, as a piece of its bar."""

    component: ResidentComponent
    x: float
    width: float
    colour: int


@dataclass(frozen=True, slots=True)
class OneOfSeveral:
    """One card of a worker that has several, and how far its bar is filled."""

    status: CardStatus
    width: float


@dataclass(frozen=True, slots=True)
class ClipInHand:
    """What a worker is at."""

    id: str
    words: str
    is_delivered: bool
    late: Late | None


@dataclass(frozen=True, slots=True)
class Minute:
    """What a worker was at in one minute of the last hour; "" where it was not seen."""

    x: int
    ago: int
    activity: str


@dataclass(frozen=True, slots=True)
class Card:
    """One worker as the page shows it."""

    status: WorkerStatus
    parts: tuple[Part, ...]
    """Of several cards: those on the first."""
    several: tuple[OneOfSeveral, ...]
    """Empty where there is one."""
    others: int
    """Components that are not shown."""
    clips: tuple[ClipInHand, ...]
    hour: tuple[Minute, ...]
    is_drain_asked: bool
    """Whether it was told to take no more clips, and has not said yet that it heard it."""

    @property
    def takes_clips(self) -> bool:
        return takes_jobs(self.status) and not self.is_drain_asked

    @property
    def state(self) -> str:
        return "drain asked" if self.is_drain_asked else self.status.state

    @property
    def legend(self) -> list[dict[str, str]]:
        """What the colours of its strip stand for, each with its minutes; empty if it was never seen."""
        seen = Counter(minute.activity for minute in self.hour)
        named = {each: each for each in fleet_samples.ACTIVITIES} | {"": "not seen"}
        if set(seen) <= {""}:
            return []
        return [
            {"activity": each or "away", "words": f"{words} {seen[each]} min"}
            for each, words in named.items()
            if seen[each]
        ]


def page(request: HttpRequest) -> HttpResponse:
    """Every living worker, and the first of the queue. Costs the same however many clips there are."""
    try:
        statuses, is_known = capacity.statuses(), True
    except redis.RedisError:
        statuses, is_known = [], False
    shown = statuses[:MOST_WORKERS]
    shows_owners = request.user.has_perm("accounts.view_workspace")
    line = line_of_clips.first(capacity.budgets_of(statuses), shows_owners=shows_owners) if is_known else []
    context = {
        **admin.site.each_context(request),
        "title": "GPUs and queue",
        "cards": _cards(shown),
        "is_known": is_known,
        "hidden": len(statuses) - len(shown),
        "line": line,
        "late": late.by_cause(each.late for each in line if each.late),
        "handed": Generation.objects.filter(state=State.DISPATCHED)[:MOST_COUNTED].count(),
        "most_waiting": line_of_clips.MOST,
        "queued": Generation.objects.filter(state=State.QUEUED)[:MOST_COUNTED].count(),
        "most_counted": MOST_COUNTED,
        "storage_pause": storage_pause.state(),
        "models": Model.objects.for_people(),
        "drains": fleet_commands.DRAINS.items(),
        "may_operate": request.user.has_perm("generation.operate_fleet"),
        "commands": fleet_commands.latest(),
        "width": WIDTH,
    }
    return TemplateResponse(request, "admin/generation/fleet.html", context)


def _cards(statuses: Sequence[WorkerStatus]) -> list[Card]:
    ids = [found for status in statuses for id, _ in status.in_hand if (found := _uuid(id)) is not None]
    clips = {str(clip.id): clip for clip in Generation.objects.filter(id__in=ids).select_related("version__model")}
    heard = {str(id): each for id, each in progress.latest_of(ids, entries=_ENTRIES).items()}
    expected = {str(id): each for id, each in wait.expectations([c for c in clips.values() if c.is_open]).items()}
    ready = {id: wait.ready_in_words(each) for id, each in expected.items()}
    overdue = {str(id): each for id, each in late.of(ids).items()} if ids else {}
    hours = fleet_samples.last_hour([status.name for status in statuses])
    asked = fleet_commands.with_drain_asked([status.name for status in statuses if takes_jobs(status)])
    return [
        _card(status, clips, heard, ready, overdue, hours[status.name], is_drain_asked=status.name in asked)
        for status in statuses
    ]


def _uuid(text: str) -> uuid.UUID | None:
    """A host may say anything."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _card(
    status: WorkerStatus,
    clips: Mapping[str, Generation],
    heard: Mapping[str, Progress],
    ready: Mapping[str, str],
    overdue: Mapping[str, Late],
    hour: Sequence[str],
    *,
    is_drain_asked: bool,
) -> Card:
    on_card = sorted((each for each in status.residents if each.tier == "device"), key=lambda each: -each.size_bytes)
    in_hand = [
        ClipInHand(
            id,
            _words(clips[id], status, heard.get(id), ready.get(id, "")),
            id == status.delivering_id,
            overdue.get(id),
        )
        for id, _ in status.in_hand
        if id in clips
    ]
    parts = _parts(on_card[:MOST_COMPONENTS], status.budget_bytes)
    step = WIDTH // len(hour)
    minutes = tuple(Minute(step * at, len(hour) - 1 - at, activity) for at, activity in enumerate(hour))
    several = tuple(OneOfSeveral(each, _filled(each)) for each in status.cards[:MOST_CARDS])
    return Card(status, parts, several, len(status.residents) - len(parts), tuple(in_hand), minutes, is_drain_asked)


def _filled(card: CardStatus) -> float:
    return WIDTH * min(1.0, max(0, card.used_bytes) / max(1, card.budget_bytes))


def _parts(residents: Sequence[ResidentComponent], budget_bytes: int) -> tuple[Part, ...]:
    """Pieces of a bar as wide as the budget, or as what is there if that is more."""
    whole = max(budget_bytes, sum(max(0, each.size_bytes) for each in residents), 1)
    parts, x = [], 0.0
    for number, each in enumerate(residents):
        width = WIDTH * max(0, each.size_bytes) / whole
        parts.append(Part(each, x, width, number % COLOURS))
        x += width
    return tuple(parts)


def _words(clip: Generation, status: WorkerStatus, seen: Progress | None, ready: str) -> str:
    """Model, stage, step and when it is ready."""
    if str(clip.id) == status.delivering_id:
        return f"{clip.version.model.name}: being delivered"
    said = [f"{clip.version.model.name}: {status.stage.replace('_', ' ') or 'beginning'}"]
    if seen is not None and seen.steps_total:
        said.append(f"step {seen.step} of {seen.steps_total}")
    if status.attempt > 1:
        said.append(f"attempt {status.attempt}")
    return f"{', '.join(said)}. {ready}".strip()


# --- what the buttons do ---------------------------------------------------------------------------------------------


def drain(request: HttpRequest) -> HttpResponse:
    """Take a worker out of service, at once or after its clip."""
    text = request.POST.get("within_seconds", "").strip()

    def command(worker: str, by: User) -> str:
        return fleet_commands.drain(worker, by=by, within_seconds=_seconds(text) if text else None)

    return _do(request, command)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def resume(request: HttpRequest) -> HttpResponse:
    return _do(request, lambda worker, by: fleet_commands.resume(worker, by=by))


def preload(request: HttpRequest) -> HttpResponse:
    slug = request.POST.get("model", "")
    return _do(request, lambda worker, by: fleet_commands.preload(worker, slug=slug, by=by))


def evict(request: HttpRequest) -> HttpResponse:
    key = request.POST.get("key", "")
    return _do(request, lambda worker, by: fleet_commands.evict(worker, key=key, by=by))


def stop(request: HttpRequest) -> HttpResponse:
    return _do(request, lambda worker, by: fleet_commands.stop(worker, by=by))


def _do(request: HttpRequest, command: Callable[[str, User], str]) -> HttpResponse:
    try:
        messages.success(request, command(request.POST.get("worker", ""), cast(User, request.user)))
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("admin:generation_fleet")
