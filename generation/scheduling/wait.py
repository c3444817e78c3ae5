"""When a clip starts and is ready, as the newest forecast has it, and why it is not ready yet."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import redis

from accounts.models import Workspace
from billing.plans import Entitlements
from catalog.offers import Offer
from generation.models import Generation, State
from generation.scheduling import (
    aside,
    capacity,
    explanation,
    fair_queue,
    forecast_board,
    forecast_record,
    remote_wait,
    service_rates,
    storage_pause,
)
from generation.scheduling.calibration import Range
from generation.scheduling.forecast import Expected
from generation.scheduling.places import Look, Place, look
from generation.scheduling.queue_depth import Depth
from generation.scheduling.service_times import ServiceTimes, Spread, Work
from gpu_worker.contract import Stage
from loremotion.row_security import across_workspaces

GB = 10**9
NO_DEPTH = Depth([])
AWAITS_ANOTHER_SCENE = "Waits for the scene before it, and begins with its last picture."
NO_REMOTE_WORKER = "This model is offline right now: nobody who can ask its provider is running."
_AT_ONCE_SECONDS = 3.0
_UNITS = ((1, "s"), (60, "min"), (3600, "h"))


@dataclass(frozen=True, slots=True)
class Wait:
    """What a person who waits wants to know."""

    place: int
    reason: str
    expected: Expected | None = None
    """Seconds from now; None: nobody can say."""
    clips_ahead: str = ""
    """``place`` in words, as exactly as it is known: "1 clip", "about 4,200 clips"."""
    is_for_a_machine: bool = False
    """Whether nobody can say when it goes on: no machine that is on can take it, or no clip can be stored."""
    why_this_place: str = ""
    """Whose clips are before it; empty where none waits before it."""
    missed: str = ""
    """That it is later than it was said to be, by how much and why; empty while it is not."""

    @property
    def in_words(self) -> str:
        """When it starts and is ready, as a sentence; empty where that is unknown."""
        return "" if self.expected is None else in_words(self.expected)

    def to_json(self) -> dict[str, Any]:
        """Return the wait as the API and live events have it. ``position`` and ``eta_seconds`` are the first release's
        names for the place and for the ends of ``ready``."""
        ready = None if self.expected is None else _rounded(self.expected.ready)
        return {
            "place": self.place,
            "starts": None if self.expected is None else _rounded(self.expected.start)[::2],
            "ready": ready,
            "reason": self.reason,
            "in_words": self.in_words,
            "missed": self.missed,
            "waits_for_a_machine": self.is_for_a_machine,
            "position": self.place,
            "eta_seconds": ready and ready[::2],
        }


def _rounded(said: Range) -> list[float]:
    return [round(end, 1) for end in said.ends]


def in_words(expected: Expected) -> str:
    """When a clip starts and is ready, for people: "Starts in 1–2 min. Ready in about 4–6 min." """
    start = expected.start
    starts = "Starts now." if start.high < _AT_ONCE_SECONDS else f"Starts in {_span(start.low, start.high)}."
    return f"{starts} {ready_in_words(expected)}"


def ready_in_words(expected: Expected) -> str:
    """When a clip is ready, for who knows that it has begun."""
    return f"Ready in about {_span(expected.ready.low, expected.ready.high)}."


def _span(low: float, high: float) -> str:
    unit, name = next((each for each in _UNITS if high < 90 * each[0]), _UNITS[-1])
    first, last = (max(1, round(end / unit)) for end in (low, high))
    return f"{last} {name}" if first >= last else f"{first}–{last} {name}"


@across_workspaces("others are before it in the queue; only how many, whose and how long comes out")
def wait_of(generation: Generation) -> Wait:
    """Return what this open generation waits for, and until when."""
    budgets, board = _budgets_and_board([generation])
    looks = _Looks(budgets, board)
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
    about = f", about {max(1, round(left))} s" if left else ""
    return f"Weights of {generation.version.model.name} are loading on {status.name}{about}."


@across_workspaces("as above")
def waits_of(generations: Sequence[Generation]) -> dict[UUID, Wait]:
    """Return the waits of many, by id, without ``why_this_place``: queue, fleet and forecast are read once for all."""
    budgets, board = _budgets_and_board(generations)
    return _waits(generations, _Looks(budgets, board), board, budgets)


def _board(generations: Iterable[Generation]) -> forecast_board.Board:
    return forecast_board.read([str(each.id) for each in generations])


def _budgets_and_board(generations: Iterable[Generation]) -> tuple[list[int], forecast_board.Board]:
    """Both in one journey. A request for a clip that asked for budgets already was told the board with them: of what is
    so new no forecast knows by name. While Valkey is away there are none, as of ``_budgets``."""
    ids = [str(each.id) for each in generations]
    try:
        if (already := capacity.read_already()) is not None:
            return already[0], forecast_board.of_answers(already[1])
        budgets, answers = capacity.read_with(lambda pipeline: forecast_board.send(pipeline, ids))
    except redis.RedisError:
        return [], forecast_board.NOTHING
    return budgets, forecast_board.of_answers(answers, ids)


class _Looks:
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
    generations: Sequence[Generation], looks: _Looks, board: forecast_board.Board, budgets: list[int]
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


def missed_of(ids: Collection[UUID]) -> dict[UUID, str]:
    """Return by id by how much each open clip is later than it was said to be, and why; empty while it is not."""
    return _missed_of(ids, forecast_board.places())


def _missed_of(ids: Collection[UUID], places: forecast_board.Places | None) -> dict[UUID, str]:
    overdue, now = {} if places is None else places.overdue, time.time()
    late = {id: overdue.get(id) for id in ids}
    return {id: "" if miss is None else miss.in_words(now) for id, miss in late.items()}


def _wait(generation: Generation, stands: Place, budgets: list[int], expected: Expected | None) -> Wait:
    place = stands.number
    if generation.awaits_another:
        return Wait(place, AWAITS_ANOTHER_SCENE, is_for_a_machine=True)
    if generation.state == State.QUEUED and budgets and (generation.needs_bytes or 0) > budgets[-1]:
        reason = too_large(generation.needs_bytes or 0, budgets[-1])
        reason = f"{reason} Your place is saved, and if you cancel you get everything back."
        return Wait(place, reason, is_for_a_machine=True)
    if stands.is_held_up:
        return Wait(place, storage_pause.REASON, is_for_a_machine=True)
    reason = _reason(State(generation.state), stands, generation.needs_bytes, is_taken=bool(budgets))
    if budgets and aside.is_aside(generation):
        reason = aside.sentence(generation.resumed_from_step)
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
        services, now = _services(works.values(), places), time.time()
        for each in far:
            work, tier = works[each.id], forecast_record.tier_of(each)
            service = services[work.name]
            if found := places.expected(each.fair_finish, service, tier=tier, now=now, build=work.build):
                said[each.id] = found
    return said


def _services(works: Iterable[Work], places: forecast_board.Places) -> dict[str, Spread]:
    """Return what such clips take, by the name of their work: from the forecast where it has that, else as measured."""
    by_name = {work.name: work for work in works}
    others = [work for name, work in by_name.items() if name not in places.services]
    times = service_rates.read(others)
    return {name: places.services.get(name) or times.until_ready(work) for name, work in by_name.items()}


@across_workspaces("only its own line's last tag comes out, and how long others take")
def prospect_of(offer: Offer, workspace: Workspace | None, *, may: Entitlements, network: str = "") -> Expected | None:
    """Return what the clip may expect if it were asked for now; None where nobody can say.

    Args:
        may: what the workspace is entitled to.
        network: where its visitor comes from; empty where it has none, or nobody knows.
    """
    if capacity.is_remote(offer.least_bytes):
        every, board = _budgets_and_board([])
        place = _Looks(every, board).at(offer.least_bytes).place_of_new(_tag_of(offer, workspace, may, network))
        return _prospect_far(offer, place, workers=len(capacity.able(every, needs_bytes=offer.least_bytes)))
    places = forecast_board.places()
    return None if places is None else _prospect(offer, _tag_of(offer, workspace, may, network), places)


@across_workspaces("its own line's last tag comes out, and how many and how long others are")
def wait_before_asking(offer: Offer, workspace: Workspace | None, *, may: Entitlements, network: str = "") -> Wait:
    """Return what the clip would wait for if it were asked for now. Arguments as ``prospect_of``."""
    every, board = _budgets_and_board([])
    needed_bytes = offer.least_bytes or 0
    budgets = capacity.able(every, needs_bytes=needed_bytes)
    if budgets and needed_bytes > budgets[-1]:
        return Wait(0, too_large(needed_bytes, budgets[-1]), is_for_a_machine=True)
    tag = _tag_of(offer, workspace, may, network)
    stands = _Looks(every, board).at(needed_bytes).place_of_new(tag)
    if stands.is_held_up:
        return Wait(stands.number, storage_pause.REASON, is_for_a_machine=True)
    expected = None
    if capacity.is_remote(needed_bytes):
        expected = _prospect_far(offer, stands, workers=len(budgets))
    elif budgets and board.places is not None:
        expected = _prospect(offer, tag, board.places)
    reason = _reason(State.QUEUED, stands, needed_bytes, is_taken=bool(budgets))
    return Wait(stands.number, reason, expected, is_for_a_machine=not budgets)


def _tag_of(offer: Offer, workspace: Workspace | None, may: Entitlements, network: str) -> float:
    return fair_queue.prospective_finish(
        workspace,
        is_paid=may.is_paid,
        network="" if may.is_paid else network,
        credits=offer.quote.credits,
        weight=may.priority_weight,
    )


def _prospect(offer: Offer, tag: float, places: forecast_board.Places) -> Expected | None:
    work = service_rates.work_of_offer(offer)
    service = _services([work], places)[work.name]
    return places.expected(tag, service, tier=forecast_record.tier_of_tag(tag), now=time.time(), build=work.build)


def _prospect_far(offer: Offer, place: Place, *, workers: int) -> Expected | None:
    work = service_rates.work_of_offer(offer)
    return remote_wait.behind(place, service_rates.read([work]).service(work), workers=workers)


def _budgets() -> list[int]:
    """Return the bytes of every worker that takes jobs, ascending; none while Valkey is away, since a request that was
    accepted must not look as if it had failed."""
    try:
        return capacity.taking_budgets()
    except redis.RedisError:
        return []


def largest_machine_bytes() -> int | None:
    """Return the bytes of the largest machine that takes clips now; None where none is known."""
    return max(_budgets(), default=None)


def why_nobody_takes(offer: Offer) -> str:
    """Return why this clip could not begin before another machine is on; empty where it could."""
    if capacity.is_remote(needed_bytes := offer.least_bytes):
        return "" if _is_anybody_remote() else NO_REMOTE_WORKER
    largest_bytes = largest_machine_bytes()
    needed_bytes = needed_bytes if largest_bytes is not None else None
    if largest_bytes is None or needed_bytes is None or needed_bytes <= largest_bytes:
        return ""
    return too_large(needed_bytes, largest_bytes)


def _is_anybody_remote() -> bool:
    try:
        return capacity.remote_workers() > 0
    except redis.RedisError:
        return True  # nobody knows


def too_large(needed_bytes: int, largest_bytes: int) -> str:
    """Return the sentence that says why a clip that needs so much memory does not begin."""
    return (
        f"This model is offline right now: it needs a GPU with about {needed_bytes / GB:.0f} GB, and the largest one "
        f"running has {largest_bytes / GB:.0f} GB."
    )


def _reason(state: State, stands: Place, needs_bytes: int | None, *, is_taken: bool) -> str:
    if state == State.RUNNING:
        return "It's made, and waits to be signed." if stands.is_made else "Rendering now."
    if not is_taken and capacity.is_remote(needs_bytes):
        return f"{NO_REMOTE_WORKER} Your place is saved."
    if not is_taken:
        return "We're offline for a moment. Your place is saved."
    if stands.number == 0:
        return "You're next."
    return f"{stands.clips_ahead.capitalize()} ahead of you."
