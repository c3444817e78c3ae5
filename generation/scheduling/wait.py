"""When a clip starts and is ready, as the newest forecast has it, and why it is not ready yet."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import redis
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.models import Generation, State
from generation.scheduling import (
    aside,
    capacity,
    explanation,
    forecast_board,
    forecast_record,
    remote_wait,
    service_rates,
    storage_pause,
)
from generation.scheduling.calibration import Range
from generation.scheduling.forecast import Expected
from generation.scheduling.offline import too_large
from generation.scheduling.places import Look, Place, look
from generation.scheduling.queue_depth import Depth
from generation.scheduling.service_times import ServiceTimes, Spread, Work
from gpu_worker.contract import Stage
from loremotion.row_security import across_workspaces

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NO_DEPTH = Depth([])
AWAITS_ANOTHER_SCENE = gettext_lazy("Waits for the scene before it, and begins with its last picture.")
_NOBODY_REMOTE = gettext_lazy(
    "This model is offline right now: nobody who can ask its provider is running. Your place is saved."
)
_OFFLINE = gettext_lazy("We're offline for a moment. Your place is saved.")
_MADE = gettext_lazy("It's made, and waits to be signed.")
_RENDERING = gettext_lazy("Rendering now.")
_NEXT = gettext_lazy("You're next.")
_AT_ONCE_SECONDS = 3.0
MOST_DRAWN = 12
"""Clips ahead that the picture of a line shows one by one."""
_UNITS = ((1, gettext_lazy("%(span)s s")), (60, gettext_lazy("%(span)s min")), (3600, gettext_lazy("%(span)s h")))


@dataclass(frozen=True, slots=True)
class Wait:
    """What a person who waits wants to know."""

    place: int
    reason: StrOrPromise
    """Said when it is shown: one look at the queue serves readers of several languages."""
    expected: Expected | None = None
    """Seconds from now; None: nobody can say."""
    clips_ahead: str = ""
    """``place`` in words, as exactly as it is known: "1 clip", "about 4,200 clips"."""
    is_for_a_machine: bool = False
    """Whether nobody can say when it goes on: no machine that is on can take it, or no clip can be stored."""
    why_this_place: str = ""
    """Whose clips are before it; empty where none waits before it."""
    missed: StrOrPromise = ""
    """That it is later than it was said to be, by how much and why; empty while it is not."""

    @property
    def in_words(self) -> str:
        """When it starts and is ready, as a sentence; empty where that is unknown."""
        return "" if self.expected is None else in_words(self.expected)

    @property
    def line(self) -> str:
        """The line as a picture, this clip filled: "○○●". Empty where nobody is ahead, or no machine takes it."""
        if not self.place or self.is_for_a_machine:
            return ""
        return f"{'○' * self.place if self.place <= MOST_DRAWN else '○○○ … ○○'}●"

    def to_json(self) -> dict[str, Any]:
        """Return the wait as the API and live events have it. ``position`` and ``eta_seconds`` are the first release's
        names for the place and for the ends of ``ready``."""
        ready = None if self.expected is None else _rounded(self.expected.ready)
        return {
            "place": self.place,
            "starts": None if self.expected is None else _rounded(self.expected.start)[::2],
            "ready": ready,
            "reason": str(self.reason),
            "in_words": self.in_words,
            "missed": str(self.missed),
            "waits_for_a_machine": self.is_for_a_machine,
            "position": self.place,
            "eta_seconds": ready and ready[::2],
        }


def _rounded(said: Range) -> list[float]:
    return [round(end, 1) for end in said.ends]


def in_words(expected: Expected) -> str:
    """When a clip starts and is ready, for people: "Starts in 1–2 min. Ready in about 4–6 min." """
    start = expected.start
    if start.high < _AT_ONCE_SECONDS:
        starts = _("Starts now.")
    else:
        starts = _("Starts in %(span)s.") % {"span": _span(start.low, start.high)}
    return f"{starts} {ready_in_words(expected)}"


def ready_in_words(expected: Expected) -> str:
    """When a clip is ready, for who knows that it has begun."""
    return _("Ready in about %(span)s.") % {"span": _span(expected.ready.low, expected.ready.high)}


def half_and_most(half_seconds: float, most_seconds: float) -> str:
    """How long clips took, for people: "Half were ready within 14 s, nine in ten within 41 s." """
    said = {"half": _span(half_seconds, half_seconds), "most": _span(most_seconds, most_seconds)}
    return _("Half were ready within %(half)s, nine in ten within %(most)s.") % said


def span_of(lasted: timedelta) -> str:
    """A length of time in one unit, rounded: "40 s", "12 min", "3 h"."""
    return _span(lasted.total_seconds(), lasted.total_seconds())


def _span(low: float, high: float) -> str:
    unit, words = next((each for each in _UNITS if high < 90 * each[0]), _UNITS[-1])
    first, last = (max(1, round(end / unit)) for end in (low, high))
    return str(words) % {"span": f"{last}" if first >= last else f"{first}–{last}"}


@across_workspaces("others are before it in the queue; only how many, whose and how long comes out")
def wait_of(generation: Generation) -> Wait:
    """Return what this open generation waits for, and until when."""
    budgets, board = read_budgets_and_board([generation])
    looks = Looks(budgets, board)
    why = explanation.sentence(generation, looks.at(generation.needs_bytes).waiting_before(generation))
    found = replace(_waits([generation], looks, board, budgets)[generation.id], why_this_place=why)
    loading = _loading(generation) if generation.state == State.RUNNING else ""
    return replace(found, reason=loading) if loading else found


def _loading(generation: Generation) -> str:
    """Return which weights its worker loads, where, and for about how long; empty while it does something else."""
    status = capacity.status_of(generation.worker)
    if status is None or status.generation_id != str(generation.id) or status.stage != Stage.LOADING:
        return ""
    there = sum(each.size_bytes for each in status.residents if each.leases)
    left = ServiceTimes().load_seconds("", max(0, sum(generation.version.component_bytes.values()) - there))
    what = {"model": generation.version.model.name, "machine": status.name}
    if not left:
        return _("Weights of %(model)s are loading on %(machine)s.") % what
    about = {**what, "seconds": max(1, round(left))}
    return _("Weights of %(model)s are loading on %(machine)s, about %(seconds)s s.") % about


@across_workspaces("as above")
def waits_of(generations: Sequence[Generation]) -> dict[UUID, Wait]:
    """Return the waits of many, by id, without ``why_this_place``: queue, fleet and forecast are read once for all."""
    budgets, board = read_budgets_and_board(generations)
    return _waits(generations, Looks(budgets, board), board, budgets)


def _board(generations: Iterable[Generation]) -> forecast_board.Board:
    return forecast_board.read([str(each.id) for each in generations])


def read_budgets_and_board(generations: Iterable[Generation]) -> tuple[list[int], forecast_board.Board]:
    """Both in one journey. A request for a clip that asked for budgets already was told the board with them: of what is
    so new no forecast knows by name. While Valkey is away there are none: a request that
    was accepted must not look as if it had failed."""
    ids = [str(each.id) for each in generations]
    try:
        if (already := capacity.read_already()) is not None:
            return already[0], forecast_board.of_answers(already[1])
        budgets, answers = capacity.read_with(lambda pipeline: forecast_board.send(pipeline, ids))
    except redis.RedisError:
        return [], forecast_board.NOTHING
    return budgets, forecast_board.of_answers(answers, ids)


class Looks:
    """The line of the cards and that of the remote workers, each read once it is needed."""

    def __init__(self, budgets: list[int], board: forecast_board.Board) -> None:
        self._budgets, self._board = budgets, board
        self._seen: dict[int, Look] = {}

    def at(self, needs_bytes: int | None) -> Look:
        line = capacity.line_of(self._budgets, needs_bytes)
        if line not in self._seen:
            seen = self._seen[line] = look(line)
            seen.depth = self._board.depth if line >= 0 else NO_DEPTH
            seen.leave_out(self._board.signing)
        return self._seen[line]


def _waits(
    generations: Sequence[Generation], looks: Looks, board: forecast_board.Board, budgets: list[int]
) -> dict[UUID, Wait]:
    # A machine that takes no more still ends what it makes.
    able = {each.id: capacity.able(budgets, needs_bytes=each.needs_bytes) for each in generations}
    taken = [each for each in generations if able[each.id] or each.state == State.RUNNING]
    stands = {each.id: looks.at(each.needs_bytes).place_of(each) for each in generations}
    far = [each for each in taken if capacity.is_remote(each.needs_bytes)]
    expected = _expectations(taken, board.near, board.places) | remote_wait.expectations(
        far, stands, workers=len(able[far[0].id]) if far else 0
    )
    waits = {each.id: _wait(each, stands[each.id], able[each.id], expected.get(each.id)) for each in generations}
    missed = _missed_of(waits, board.places)
    return {id: replace(found, missed=missed[id]) for id, found in waits.items()}


def missed_of(ids: Collection[UUID]) -> dict[UUID, StrOrPromise]:
    """Return by id by how much each open clip is later than it was said to be, and why; empty while it is not."""
    return _missed_of(ids, forecast_board.places())


def _missed_of(ids: Collection[UUID], places: forecast_board.Places | None) -> dict[UUID, StrOrPromise]:
    overdue, now = {} if places is None else places.overdue, time.time()
    late = {id: overdue.get(id) for id in ids}
    return {id: "" if miss is None else lazy(miss.in_words, str)(now) for id, miss in late.items()}


def _wait(generation: Generation, stands: Place, budgets: list[int], expected: Expected | None) -> Wait:
    place = stands.number
    if generation.awaits_another:
        return Wait(place, AWAITS_ANOTHER_SCENE, is_for_a_machine=True)
    if generation.state == State.QUEUED and budgets and (generation.needs_bytes or 0) > budgets[-1]:
        too_large_now = lazy(_too_large_for_now, str)(generation.needs_bytes or 0, budgets[-1])
        return Wait(place, too_large_now, is_for_a_machine=True)
    if stands.is_held_up:
        return Wait(place, storage_pause.REASON, is_for_a_machine=True)
    reason = reason_of(State(generation.state), stands, generation.needs_bytes, is_taken=bool(budgets))
    if budgets and aside.is_aside(generation):
        reason = lazy(aside.sentence, str)(generation.resumed_from_step)
    is_for_a_machine = not budgets and generation.state != State.RUNNING
    return Wait(place, reason, expected, is_for_a_machine=is_for_a_machine, clips_ahead=stands.clips_ahead)


def expectations(generations: Sequence[Generation]) -> dict[UUID, Expected]:
    """Return what the newest forecast expects of each of these open clips, by its own entry or by its place in the
    queue. Clips are left out where there is no recent forecast."""
    board = _board(generations)
    return _expectations(generations, board.near, board.places)


def _expectations(
    generations: Sequence[Generation], near: Mapping[str, Expected], places: forecast_board.Places | None
) -> dict[UUID, Expected]:
    said = {each.id: near[str(each.id)] for each in generations if str(each.id) in near}
    waiting = [each for each in generations if not capacity.is_remote(each.needs_bytes)]  # of those the board tells
    far = [each for each in waiting if each.id not in said and each.state == State.QUEUED]
    if far and places is not None:
        works = {each.id: service_rates.work_of(each) for each in far}
        services, now = services_of(works.values(), places), time.time()
        for each in far:
            work, tier = works[each.id], forecast_record.tier_of(each)
            service = services[work.name]
            asked_at = each.created_at.timestamp()
            found = places.expected(each.fair_finish, service, tier=tier, now=now, build=work.build, asked_at=asked_at)
            if found:
                said[each.id] = found
    return said


def services_of(works: Iterable[Work], places: forecast_board.Places) -> dict[str, Spread]:
    """Return what such clips take, by the name of their work: from the forecast where it has that, else as measured."""
    by_name = {work.name: work for work in works}
    others = [work for name, work in by_name.items() if name not in places.services]
    times = service_rates.read(others)
    return {name: places.services.get(name) or times.until_ready(work) for name, work in by_name.items()}


def _too_large_for_now(needed_bytes: int, largest_bytes: int) -> str:
    saved = _("Your place is saved, and if you cancel you get everything back.")
    return f"{too_large(needed_bytes, largest_bytes)} {saved}"


def reason_of(state: State, stands: Place, needs_bytes: int | None, *, is_taken: bool) -> StrOrPromise:
    if state == State.RUNNING:
        return _MADE if stands.is_made else _RENDERING
    if not is_taken:
        return _NOBODY_REMOTE if capacity.is_remote(needs_bytes) else _OFFLINE
    if stands.number == 0:
        return _NEXT
    return lazy(stands.in_words, str)()
