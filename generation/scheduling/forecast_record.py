"""The record of forecasts: what was told, what came of it, and what that teaches the next.

A clip is told once for each horizon that its wait comes into; of those that wait further back than what is played, the
newest are noted as they come. Once a clip has ended its rows become an hour's counts and a correction, and go. So what
is kept is bounded by what is played and ``MOST_TOLD``, and by one row an hour, model and tier.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, DurationField, Exists, ExpressionWrapper, F, OuterRef
from django.utils import timezone

from generation.models import OPEN_STATES, ForecastFactor, ForecastHour, Generation, State, ToldRange
from generation.scheduling import capacity, misses, storage_pause
from generation.scheduling.calibration import Calibration, Factor, Range, horizon_of
from generation.scheduling.forecast import Expected
from generation.scheduling.misses import Cause, Miss
from generation.tiers import yields
from gpu_worker.contract import Stage
from gpu_worker.worker_status import WorkerStatus

BATCH = 500
MOST_TOLD = 2_000
"""Ranges that are kept, but for those of clips that are played. A round looks which of them are over."""
FREE, PAID = "free", "paid"
WAIT_CLASSES_PER_DOUBLING = 4
KEPT = timedelta(days=90)


def tier_of(clip: Generation) -> str:
    """Return by which tier the clip is recorded: what is paid for goes first."""
    return tier_of_tag(clip.fair_finish)


def tier_of_tag(tag: float) -> str:
    """Return by which tier a clip of this tag in the fair queue is recorded."""
    return FREE if yields(tag) else PAID


def calibration() -> Calibration:
    """Return what earlier forecasts have taught."""
    rows = ForecastFactor.objects.all()
    return Calibration({(row.horizon, row.tier): Factor(row.low, row.high, row.clips) for row in rows})


def told_of(clips: Iterable[Generation]) -> list[ToldRange]:
    """Return what these clips were told so far, oldest first."""
    return list(ToldRange.objects.filter(clip_id__in=[clip.id for clip in clips]).order_by("said_at", "id"))


def _late_elsewhere(clips: Iterable[Generation], *, at: datetime) -> tuple[Sequence[ToldRange], Sequence[Generation]]:
    """Return the ranges that are over of other open clips, and those clips: since they were told, others went before
    them, or the machine was lost that could take them. ``BATCH`` ranges at most, the latest."""
    length = ExpressionWrapper(F("high") * timedelta(seconds=1), output_field=DurationField())
    rows = ToldRange.objects.alias(due=ExpressionWrapper(F("said_at") + length, output_field=DateTimeField()))
    rows = rows.filter(_is_open(), due__lt=at).exclude(clip_id__in=[clip.id for clip in clips])
    late = list(rows.order_by("due", "id")[:BATCH])
    return late, list(Generation.objects.filter(id__in={row.clip_id for row in late})) if late else []


def _is_open() -> Exists:
    return Exists(Generation.objects.filter(id=OuterRef("clip_id"), state__in=OPEN_STATES))


def is_full() -> bool:
    """Return whether so much was told of open clips that of others further back no more is written down."""
    return ToldRange.objects.count() >= MOST_TOLD


def note_told(
    clips: Iterable[Generation],
    before: Iterable[ToldRange],
    played: Mapping[str, Expected],
    told: Mapping[str, Expected],
    *,
    at: datetime,
) -> None:
    """Write down what clips are told whose wait has come into a horizon for the first time.

    Args:
        before: what they were told so far.
    """
    known = {(row.clip_id, row.horizon) for row in before}
    near = [(clip, horizon_of(played[str(clip.id)].ready.mid)) for clip in clips if str(clip.id) in played]
    rows = [
        ToldRange(
            clip_id=clip.id,
            horizon=horizon,
            tier=tier_of(clip),
            model=clip.version.model.slug,
            said_at=at,
            played_low=played[str(clip.id)].ready.low,
            mid=played[str(clip.id)].ready.mid,
            played_high=played[str(clip.id)].ready.high,
            low=told[str(clip.id)].ready.low,
            high=told[str(clip.id)].ready.high,
            attempt=misses.attempts_of(clip),
            times_aside=clip.times_aside,
        )
        for clip, horizon in near
        if (clip.id, horizon) not in known
    ]
    ToldRange.objects.bulk_create(rows, ignore_conflicts=True)


def note_missed(
    clips: Sequence[Generation],
    told: Iterable[ToldRange],
    statuses: Iterable[WorkerStatus],
    *,
    at: datetime,
    signing: Collection[str] = (),
) -> dict[UUID, Miss]:
    """Write down why clips are late that were on time the last round. Return what each missed first that is late, by
    its id, the latest first.

    Args:
        clips: those in flight and the next of the queue.
        told: what they were told.
    """
    elsewhere, others = _late_elsewhere(clips, at=at)
    by_id = {clip.id: clip for clip in (*clips, *others)}
    largest_bytes = capacity.largest_bytes(statuses := list(statuses))
    loading = {status.generation_id for status in statuses if status.generation_id and status.stage == Stage.LOADING}
    late = [row for row in (*told, *elsewhere) if row.clip_id in by_id and misses.is_missed(row, at)]
    newly = [row for row in late if not row.missed_by]
    is_held_up = bool(newly) and storage_pause.is_in_force()
    for row in newly:
        row.missed_by = misses.cause_of(
            by_id[row.clip_id],
            row,
            clips,
            loading=loading,
            signing=signing,
            largest_bytes=largest_bytes,
            is_held_up=is_held_up,
        )
    if newly:
        ToldRange.objects.bulk_update(newly, ["missed_by"])
    first: dict[UUID, Miss] = {}
    for row in sorted(late, key=misses.due_at):
        first.setdefault(row.clip_id, misses.miss_of(row))
    return first


@dataclass(slots=True)
class _Counts:
    told: int = 0
    before: int = 0
    inside: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)


def take_in(learned: Calibration) -> None:
    """Count what came of clips that have ended since, and correct ``learned`` and its rows by it.

    Call it from one process at a time: the beat's.
    """
    over = list(ToldRange.objects.filter(~_is_open()).order_by("said_at")[:BATCH])
    if not over:
        return
    ended = Generation.objects.filter(id__in={row.clip_id for row in over})
    clips = {clip.id: clip for clip in ended.only("id", "state", "finished_at", "created_at")}
    hours: defaultdict[tuple[datetime, str, str], _Counts] = defaultdict(_Counts)
    changed: dict[tuple[int, str], Factor] = {}
    waited: set[object] = set()
    for row in over:
        clip = clips.get(row.clip_id)
        if clip is None or clip.state != State.SUCCEEDED or clip.finished_at is None:
            continue  # cancelled, failed or erased: it says nothing of the wait
        came = (clip.finished_at - row.said_at).total_seconds()
        changed |= learned.learn(Range(row.played_low, row.mid, row.played_high), came, row.tier)
        hour = clip.finished_at.replace(minute=0, second=0, microsecond=0)
        counts = hours[hour, row.model, row.tier]
        counts.told += 1
        counts.before += came <= row.high
        counts.inside += row.low <= came <= row.high
        if came > row.high:
            counts.misses[row.missed_by or Cause.CLOSE] += 1
        if row.clip_id not in waited:
            waited.add(row.clip_id)
            counts.waits[class_of((clip.finished_at - clip.created_at).total_seconds())] += 1
    with transaction.atomic():
        _keep(changed)
        for (hour, model, tier), counts in hours.items():
            _add(hour, model, tier, counts)
        ToldRange.objects.filter(id__in=[row.id for row in over]).delete()


def _keep(changed: Mapping[tuple[int, str], Factor]) -> None:
    rows = [
        ForecastFactor(horizon=horizon, tier=tier, low=factor.low, high=factor.high, clips=factor.clips)
        for (horizon, tier), factor in changed.items()
    ]
    ForecastFactor.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["horizon", "tier"], update_fields=["low", "high", "clips"]
    )


def _add(hour: datetime, model: str, tier: str, counts: _Counts) -> None:
    row, _ = ForecastHour.objects.select_for_update().get_or_create(hour=hour, model=model, tier=tier)
    row.told, row.before, row.inside = row.told + counts.told, row.before + counts.before, row.inside + counts.inside
    row.waits = dict(Counter(row.waits) + counts.waits)
    row.misses = dict(Counter(row.misses) + counts.misses)
    row.save()


def forget_old() -> None:
    """Let hours go that nobody looks at any more."""
    old = ForecastHour.objects.filter(hour__lt=timezone.now() - KEPT).values_list("id", flat=True)[:BATCH]
    ForecastHour.objects.filter(id__in=list(old)).delete()


def class_of(seconds: float) -> str:
    """The class of a wait: quarters of a doubling, so within a fifth of it."""
    size = 0
    while seconds >= wait_of_class(size + 1):
        size += 1
    return str(size)


def wait_of_class(size: int) -> float:
    """Seconds from which on waits are of this class."""
    return float(2 ** (size / WAIT_CLASSES_PER_DOUBLING)) if size else 0.0


def percentile(waits: Mapping[str, int], share: float) -> float | None:
    """The wait that so many did not exceed, from a histogram; None where it is empty."""
    left = share * sum(waits.values())
    for size, clips in sorted((int(size), clips) for size, clips in waits.items()):
        left -= clips
        if left <= 0:
            return wait_of_class(size + 1)
    return None
