"""The forecast of a round: the beat looks at everything once, plays it forward, and puts up what comes out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db.models import Q, prefetch_related_objects
from django.db.models.expressions import RawSQL

from generation.live import progress
from generation.models import Generation, State
from generation.scheduling import capacity, forecast_board, forecast_record, front, queue_depth, service_rates
from generation.scheduling.arrivals import KEPT
from generation.scheduling.calibration import Calibration
from generation.scheduling.capacity import JOBS_PER_WORKER
from generation.scheduling.fair_order import first_that_fit
from generation.scheduling.forecast import NEAR_CLIPS, Expected, Forecast, forecast
from generation.scheduling.forecast_memory import Memory
from generation.scheduling.observation import MOST_MACHINES, Observer
from generation.scheduling.service_times import Spread, together
from generation.scheduling.smoothing import Told
from generation.scheduling.snapshot import Snapshot
from generation.settlement import signing_queue

MOST_IN_FLIGHT = MOST_MACHINES * (JOBS_PER_WORKER + 2)
"""Clips in RQ or being made that are played: what so many machines have. A fleet with more of them plays the first."""
NEWEST = 8
"""Clips of which a round writes down what they are told, where they wait further back than what it plays."""
LOOKS_BACK = timedelta(seconds=10)
"""Before the round before: a request of then may have been committed since."""
_ENTRIES = 5
"""Of each clip's progress: the newest step or stage is among them, whatever pictures come between."""
_SEED = 1
"""One for all rounds: what differs between two of them is the queue, not the dice."""
_observer = Observer()
_memory = Memory()
_told = Told()


def put_up_forecast() -> None:
    """Say of every near clip when it starts and is ready, and of every place further back when its turn comes.

    Looks at what is in flight and at the first of the fair queue, so it costs the same however long that is.
    """
    began = time.time()
    _memory.recall(_observer)
    statuses = [status for status in capacity.statuses() if not status.is_remote]
    largest_bytes = capacity.largest_bytes(statuses)
    clips, newest = _clips(largest_bytes, _observer.looked_at)
    is_deep = sum(clip.state == State.QUEUED for clip in clips) > NEAR_CLIPS
    behind = front.count(behind=NEAR_CLIPS, up_to_bytes=largest_bytes) if is_deep else []
    running = [clip.id for clip in clips if clip.state == State.RUNNING]
    heard = {str(id): each for id, each in progress.latest_of(running, entries=_ENTRIES).items()}
    snapshot = _observer.snapshot(clips, statuses, heard, queue_depth.read(), behind=behind, newest=newest)
    learned = forecast_record.calibration()
    forecast_record.take_in(learned)
    played = forecast(snapshot, np.random.default_rng(_SEED))
    services = {service_rates.work_of(clip).name: service for clip, service in _services(clips, snapshot)}
    tiers = {str(clip.id): forecast_record.tier_of(clip) for clip in clips}
    corrected = {id: _corrected(each, learned, tiers[id]) for id, each in played.by_id.items() if id in tiers}
    told = _told.smooth(corrected, at=began)
    at, before = datetime.fromtimestamp(began, UTC), forecast_record.told_of(clips)
    signing = signing_queue.in_line()
    overdue = forecast_record.note_missed(clips, before, statuses, at=at, signing=signing)
    forecast_board.publish(told, played, learned, services, overdue, signing=signing, at=began, clock=snapshot.clock)
    forecast_record.note_told(clips, before, played.by_id, told, at=at)
    if is_deep:
        _note_told_far_back(played, learned, at=at, largest_bytes=largest_bytes)
    forecast_record.forget_old()
    _memory.save(_observer)


_ON_CARDS = Q(needs_bytes__isnull=True) | Q(needs_bytes__gte=0)
"""A provider's machines are nobody's to foresee."""


def _clips(largest_bytes: int, since: datetime | None) -> tuple[list[Generation], list[Generation]]:
    """Return what is in flight in RQ's order, with the first of the fair queue that fit a machine, one more than are
    played where there is one; and who came since, wherever in the queue: the newest, of a flood."""
    rows = Generation.objects.filter(_ON_CARDS)
    in_flight = rows.filter(state__in=[State.DISPATCHED, State.RUNNING]).order_by(
        "dispatched_at", "fair_finish", "created_at", "id"
    )
    first = RawSQL(*first_that_fit("id", most=NEAR_CLIPS + 1, up_to_bytes=largest_bytes))  # noqa: S611 - ours
    queued = rows.filter(id__in=first, state=State.QUEUED).order_by("fair_finish", "created_at", "id")
    clips = [*in_flight[:MOST_IN_FLIGHT], *queued]
    came = rows.none() if since is None else rows.filter(created_at__gt=since - LOOKS_BACK)
    newest = list(came.order_by("-created_at", "-id")[:KEPT])
    prefetch_related_objects([*clips, *newest], "version__model")  # a handful of models, whatever the number of clips
    return clips, newest


def _note_told_far_back(played: Forecast, learned: Calibration, *, at: datetime, largest_bytes: int) -> None:
    """Write down what the newest are told that wait further back than what is played: these wait longest, and what
    comes of it corrects what others are told as early."""
    newest = Generation.objects.select_related("version__model").order_by("-created_at", "-id")[:NEWEST]
    far = [
        clip
        for clip in newest
        if clip.state == State.QUEUED
        and str(clip.id) not in played.by_id
        and 0 <= (clip.needs_bytes or 0) <= largest_bytes
    ]
    known = {row.clip_id for row in forecast_record.told_of(far)} if far else set()
    far = [clip for clip in far if clip.id not in known]
    if not far or forecast_record.is_full():
        return
    works = {clip.id: service_rates.work_of(clip) for clip in far}
    times = service_rates.read(works.values())
    raw = {}
    for clip in far:
        service, asked_at = times.until_ready(works[clip.id]), clip.created_at.timestamp()
        found = played.at(clip.fair_finish, service, clip.version.build, asked_at=asked_at)
        if found is not None:
            raw[str(clip.id)] = found
    told = {
        str(clip.id): _corrected(raw[str(clip.id)], learned, forecast_record.tier_of(clip))
        for clip in far
        if str(clip.id) in raw
    }
    forecast_record.note_told(far, [], raw, told, at=at)


def _services(clips: Iterable[Generation], snapshot: Snapshot) -> Iterator[tuple[Generation, Spread]]:
    """What each clip that is played takes until it is ready."""
    by_id = {each.id: together(each.service, each.delivery) for each in (*snapshot.window, *snapshot.queue)}
    yield from ((clip, by_id[str(clip.id)]) for clip in clips if str(clip.id) in by_id)


def _corrected(said: Expected, learned: Calibration, tier: str) -> Expected:
    return Expected(learned.correct(said.start, tier), learned.correct(said.ready, tier))
