"""From the fair queue into RQ: a short window of jobs, enqueued after the commit that decided on them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import redis
from django.db import transaction
from django.utils import timezone
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.job import JobStatus

from generation import tiers
from generation.models import Generation, State
from generation.provider_keys import use
from generation.scheduling import capacity, fair_queue, places, storage_pause
from generation.scheduling.fair_queue import Taken, Yielding
from generation.scheduling.window import InLine, Window
from generation.storage import files
from generation.tiers import FREE_BEGINS
from gpu_worker import log_context
from gpu_worker.rq_seams import line, scripts
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from gpu_worker.valkey_names import ATTEMPT_QUEUES, REMOTE_QUEUE, RENDER_FUNCTION, RENDER_QUEUE, former_job_id, job_id
from loremotion import queues
from loremotion.prepared import Answer, send_for_all, together
from loremotion.row_security import across_workspaces
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

RESULT_TTL_SECONDS = 6 * 3600
"""The beat reads a lost report from it within seconds. It holds people's words, so no longer than a night's outage."""

_WAITING = {status.value.encode() for status in (JobStatus.QUEUED, JobStatus.DEFERRED, JobStatus.SCHEDULED)}
"""Ours wait in line and for nothing else, but a GPU host can write of any that it does."""


def queue_of(generation: Generation) -> Queue:
    """RQ's line of those who make the clip: GPU workers, or remote ones."""
    return queues.queue(REMOTE_QUEUE if capacity.is_remote(generation.needs_bytes) else RENDER_QUEUE)


def render_queue() -> Queue:
    return queues.queue(RENDER_QUEUE)


def attempt_queues() -> list[Queue]:
    """RQ's lines in which attempts wait."""
    return [queues.queue(name) for name in ATTEMPT_QUEUES]


@across_workspaces("the queue is everybody's")
def fill_window() -> None:
    """Dispatch what there is room for. Safe to call at any time, by anybody, any number of times.

    With Valkey away nothing is lost: what was decided stays in the database and housekeeping enqueues it later.
    """
    try:
        for taken in _take():
            before = [job_id(str(each.id), each.attempt) for each in taken.before]
            enqueue(taken.generation, before=None if taken.generation.times_aside else before)
    except redis.RedisError as error:
        logger.warning("Valkey is away, dispatch waits for housekeeping: %s", error)


def _take() -> list[Taken]:
    budgets, remote_workers = capacity.budgets(), capacity.remote_workers()
    window, _, first = _window(budgets, remote_workers, _read_line_and_look(budgets[-1]))
    if not _has_place_for_some(window, first):
        return []
    places.keep(None, budgets[-1])  # what it saw is over
    with transaction.atomic():
        clock = fair_queue.lock_clock()
        most = storage_pause.most_to_dispatch()
        window, yielding, _ = _window(budgets, remote_workers, _read_line())
        chosen = [] if most == 0 else fair_queue.take(clock, window, yielding, now=timezone.now(), most=most)
        for each in chosen:
            generation = each.generation
            generation.state = State.DISPATCHED
            generation.attempt += 1
            generation.has_attempt_secret = True
            generation.dispatched_at = each.at
            generation.flow = generation.network = ""
        Generation.objects.bulk_update(
            [each.generation for each in chosen],
            ["state", "attempt", "has_attempt_secret", "dispatched_at", "flow", "network"],
        )
    return chosen


def _has_place_for_some(window: Window, first: Mapping[bool, int]) -> bool:
    """Whether somebody waits for whom there is a place. Where the first of neither tier has one, others behind them
    may: that is looked up here, so that whoever finds none never holds up those who lock the clock."""
    if any(window.has_place(needs_bytes, is_free=is_free) for is_free, needs_bytes in first.items()):
        return True
    return bool(first) and bool(fair_queue.next_for(window))


def _window(
    budgets: list[int], remote_workers: int, line: Sequence[Any]
) -> tuple[Window, list[Yielding], dict[bool, int]]:
    """The window that ``line`` is in, what yields in it, first in line first, and what the first free clip (True) and
    the first paid one (False) need that wait for a place in it."""
    in_line, yielding, first = [], [], dict[bool, int]()
    for id, attempt, needs_bytes, tag, passes, first_free, first_paid in line:
        first = {is_free: each for is_free, each in ((True, first_free), (False, first_paid)) if each is not None}
        if id is None:  # nothing is in line
            break
        in_line.append(InLine(needs_bytes, tiers.yields(tag)))
        if tiers.yields(tag):
            yielding.append(Yielding(id, attempt, passes))
    return Window(budgets, in_line, remote_workers), yielding, first


def _read_line() -> list[Any]:
    """What is in line, first in line first, each with what the first free clip and the first paid one need that wait to
    be; where nothing is, one row that says that alone."""
    rows: list[Any] = _send_line()()
    return rows


def _send_line() -> Answer:
    return send_for_all(_LINE, None)


def _read_line_and_look(largest_bytes: int) -> list[Any]:
    """The same, and in one journey with it the look at the queue that the answer to a new request needs."""
    if not places.is_looked_for():
        return _read_line()
    line, look = together(_send_line, lambda: places.send_look(largest_bytes))
    rows: list[Any] = line()
    places.keep(look(), largest_bytes)
    return rows


_FIRST: Final = "SELECT coalesce(needs_bytes, 0) FROM generation_generation WHERE state = 'queued' AND fair_finish"
_IN_ORDER: Final = (
    "ORDER BY fair_finish, created_at, id LIMIT 1"  # by their index, however much history lies around them
)
_LINE: Final = f"""
SELECT clip.id, clip.attempt, clip.needs_bytes, clip.fair_finish, clip.passes, waiting.*
FROM (SELECT
    ({_FIRST} >= {FREE_BEGINS!r} {_IN_ORDER}) AS first_free,
    ({_FIRST} < {FREE_BEGINS!r} {_IN_ORDER}) AS first_paid
) AS waiting LEFT JOIN generation_generation clip ON clip.state = 'dispatched'
ORDER BY clip.dispatched_at, clip.fair_finish, clip.created_at, clip.id
"""  # noqa: S608 - a number of ours


def has_lost_its_place(job: AllowedJob) -> bool:
    """Whether RQ has the job for waiting, and it is neither in line nor in the hands of a worker that popped it.

    One transaction in Valkey, since the job may be on its way from one to the next.
    """
    with connection().pipeline() as pipeline:
        pipeline.hget(job.key, "status")
        for waiting in attempt_queues():
            pipeline.lpos(waiting.key, job.id)
            pipeline.lpos(waiting.intermediate_queue_key, job.id)
        status, *found = pipeline.execute()
    return status in _WAITING and all(place is None for place in found)


class Dispatched(NamedTuple):
    """An attempt that waits in RQ, as the database has it."""

    id: uuid.UUID
    attempt: int
    tag: float
    times_aside: int


def not_in_their_places(attempts: Iterable[Dispatched]) -> set[uuid.UUID]:
    """Return the clips among ``attempts`` that wait in none of RQ's lines, or behind one that they go before.

    Reads each line once, so it costs as much as they are long and no more.
    """
    by_job = {job_id(str(each.id), each.attempt).encode(): each for each in attempts}
    with connection().pipeline(transaction=False) as pipeline:
        for waiting in attempt_queues():
            pipeline.lrange(waiting.key, 0, -1)
        lines: list[list[bytes]] = pipeline.execute()
    out = {each.id for each in by_job.values()}
    for jobs in lines:
        is_behind_free = is_behind_new_free = is_behind_new = False
        for each in filter(None, map(by_job.get, jobs)):
            out.discard(each.id)
            is_free, is_going_on = tiers.yields(each.tag), each.times_aside > 0
            if is_free:
                is_misplaced = is_going_on and is_behind_new_free
            else:
                is_misplaced = is_behind_free or (is_going_on and is_behind_new)
            if is_misplaced:
                out.add(each.id)
            is_behind_free |= is_free
            is_behind_new |= not is_going_on
            is_behind_new_free |= is_free and not is_going_on
    return out


def enqueue_anew(generation: Generation) -> None:
    """Put the present attempt into RQ in place of a record that is gone, cannot be read or stands nowhere in line.

    A place that it still has in line goes first: with two it would be made twice.
    """
    with connection().pipeline() as pipeline:
        for job_id in (generation.job_id, former_job_id(str(generation.id), generation.attempt)):
            pipeline.delete(AllowedJob.key_for(job_id))
            pipeline.lrem(queue_of(generation).key, 0, job_id)
        pipeline.execute()
    enqueue(generation)


def enqueue(generation: Generation, *, before: Sequence[str] | None = None) -> None:
    """Put the present attempt into RQ. The job's id names the attempt, so a second call changes nothing.

    Args:
        before: ids of jobs: it goes before all of them that wait. None: before what yields.
    """
    with log_context.bound(request_id=generation.request_id, generation_id=str(generation.id)):
        _enqueue(generation, _yielding_to(generation) if before is None else before)


def go_before_free(generation: Generation) -> None:
    """Put a job that waits before all that yield to it, where its own process did not come to that."""
    if before := _yielding_to(generation):
        line.move_before(connection(), queue_of(generation).key, generation.job_id, before)


def _yielding_to(generation: Generation) -> list[str]:
    """Return the ids of jobs that it goes before: one that is paid for before those that are not, and one that goes on
    after stepping aside before all of its tier, too."""
    is_free, is_going_on = tiers.yields(generation.fair_finish), generation.times_aside > 0
    if is_free and not is_going_on:
        return []
    return [
        job_id(str(id), attempt)
        for id, attempt, _, tag, *_ in _read_line()
        if id is not None and id != generation.id and (tiers.yields(tag) or (is_going_on and not is_free))
    ]


def _enqueue(generation: Generation, before: Sequence[str]) -> None:
    snapshot_to, snapshot_from = files.snapshot_addresses(generation)
    job = generation.render_job(
        inputs=files.inputs(generation),
        outputs=files.outputs(generation),
        snapshot_to=snapshot_to,
        snapshot_from=snapshot_from,
    )
    if capacity.is_remote(generation.needs_bytes):
        job = use.with_own_key(generation, job)
    scripts.load(connection())  # whoever takes it needs them, also where no beat runs
    try:
        queue_of(generation).enqueue_call(
            RENDER_FUNCTION,
            args=(job.to_wire(),),
            timeout=job.timeout_seconds,
            result_ttl=RESULT_TTL_SECONDS,
            failure_ttl=RESULT_TTL_SECONDS,
            job_id=job.job_id,
            unique=True,
        )
        logger.info("Attempt %d is in line", generation.attempt)
    except DuplicateJobError:
        logger.debug("%s is in RQ already", job.job_id)
    if before:
        line.move_before(connection(), queue_of(generation).key, job.job_id, before)
