"""Figures of a span of time: what was asked for, how long it waited, what was made and what failed.

Each is counted by the database from the rows of the span alone, found by a block-range index on when they came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

PARTS: Final = 48
"""Of a span, where nobody says how many."""
LONGEST_LIFE: Final = timedelta(days=2)
"""Of a request that has not ended: what came earlier than that before the span has no part in it."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_BUCKETS_SQL = """
    WITH span AS (
        SELECT clip.state, model.slug, error_code, clip.created_at, started_at, finished_at,
               coalesce(started_at, finished_at) AS left_queue_at
        FROM generation_generation clip JOIN catalog_modelversion version ON version.id = clip.version_id
        JOIN catalog_model model ON model.id = version.model_id
        WHERE clip.created_at >= %(earliest)s AND clip.created_at < %(until)s
    ), bounds AS (SELECT extract(epoch FROM %(since)s)::float8 AS low, extract(epoch FROM %(until)s)::float8 AS high)
    SELECT 'came', width_bucket(extract(epoch FROM created_at)::float8, low, high, %(count)s), '', count(*)
        FROM span, bounds WHERE created_at >= %(since)s GROUP BY 2
    UNION ALL SELECT 'left', width_bucket(extract(epoch FROM left_queue_at)::float8, low, high, %(count)s), '', count(*)
        FROM span, bounds WHERE left_queue_at >= %(since)s AND left_queue_at < %(until)s GROUP BY 2
    UNION ALL SELECT state, width_bucket(extract(epoch FROM finished_at)::float8, low, high, %(count)s),
        CASE state WHEN 'succeeded' THEN slug ELSE error_code END, count(*)
        FROM span, bounds WHERE finished_at >= %(since)s AND finished_at < %(until)s GROUP BY 1, 2, 3
"""
_TOTALS_SQL = """
    WITH span AS (
        SELECT state, quote, started_at - created_at AS wait, finished_at - started_at AS render
        FROM generation_generation
        WHERE created_at >= %(earliest)s AND created_at < %(until)s
            AND finished_at >= %(since)s AND finished_at < %(until)s
    )
    SELECT count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state IN ('failed', 'blocked')),
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM wait))
            FILTER (WHERE wait IS NOT NULL),
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM render))
            FILTER (WHERE state = 'succeeded'),
        coalesce(sum((quote->>'credits')::bigint) FILTER (WHERE state = 'succeeded'), 0)
    FROM span
"""
_TIMES_SQL = """
    WITH span AS (
        SELECT state, started_at - created_at AS wait, finished_at - started_at AS render,
               (quote->>'credits')::bigint AS credits, extract(epoch FROM finished_at)::float8 AS ended
        FROM generation_generation
        WHERE created_at >= %(earliest)s AND created_at < %(until)s
            AND finished_at >= %(since)s AND finished_at < %(until)s
    )
    SELECT width_bucket(
            ended, extract(epoch FROM %(since)s)::float8, extract(epoch FROM %(until)s)::float8, %(count)s
        ),
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM wait))
            FILTER (WHERE wait IS NOT NULL),
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY extract(epoch FROM render))
            FILTER (WHERE state = 'succeeded'),
        coalesce(sum(credits) FILTER (WHERE state = 'succeeded'), 0),
        count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state IN ('failed', 'blocked'))
    FROM span GROUP BY 1
"""
_LONGEST_SQL = """
    WITH span AS (
        SELECT extract(epoch FROM created_at)::float8 AS came,
            extract(epoch FROM coalesce(started_at, finished_at))::float8 AS left_queue
        FROM generation_generation WHERE created_at >= %(earliest)s AND created_at < %(until)s
    ), bounds AS (SELECT extract(epoch FROM %(since)s)::float8 AS low, extract(epoch FROM %(until)s)::float8 AS high)
    SELECT part, min(came) FROM span, bounds, generate_series(
        greatest(width_bucket(came, low, high, %(count)s), 1),
        coalesce(width_bucket(left_queue, low, high, %(count)s), %(count)s + 1) - 1
    ) AS part GROUP BY part
"""
_BY_MODEL_SQL = """
    SELECT model.slug, count(*) FILTER (WHERE state = 'succeeded'),
        count(*) FILTER (WHERE state IN ('failed', 'blocked')),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at))
            FILTER (WHERE state = 'succeeded')
    FROM generation_generation clip JOIN catalog_modelversion version ON version.id = clip.version_id
    JOIN catalog_model model ON model.id = version.model_id
    WHERE clip.created_at >= %s GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Span:
    """From ``since`` on, until before ``until``."""

    since: datetime
    until: datetime
    parts: int = PARTS
    """Equal ones, each with a figure of its own where its course is told."""

    @classmethod
    def last(cls, length: timedelta, parts: int = PARTS) -> Span:
        """The span of this length that ends now."""
        now = timezone.now()
        return cls(now - length, now, parts)

    @classmethod
    def aligned(cls, length: timedelta, parts: int) -> Span:
        """The span of this length whose parts begin at round moments of UTC. The last of them is not over yet."""
        step = length / parts
        until = _EPOCH + ((timezone.now() - _EPOCH) // step + 1) * step
        return cls(until - length, until, parts)

    @property
    def before(self) -> Span:
        """As much time before this one."""
        return Span(self.since - (self.until - self.since), self.since, self.parts)

    @property
    def edges(self) -> list[datetime]:
        """When each part begins."""
        step = (self.until - self.since) / self.parts
        return [self.since + number * step for number in range(self.parts)]

    def place_of(self, bucket: int) -> int:
        """Return which part is PostgreSQL's ``width_bucket``: what came at the very end is of the last."""
        return min(max(bucket, 1), self.parts) - 1


@dataclass(frozen=True, slots=True)
class Totals:
    """What ended in a span."""

    made: int
    failed: int
    wait_seconds: tuple[float, float] | None
    """p50 and p90 of what started; None where nothing did."""
    render_seconds: tuple[float, float] | None
    credits: int = 0
    """That were charged for what was made."""

    @property
    def success(self) -> float | None:
        """The share of clips that were made, of those that ended by themselves; None where none did."""
        ended = self.made + self.failed
        return self.made / ended if ended else None


@dataclass(frozen=True, slots=True)
class Course:
    """How a span went, one figure for each of its parts."""

    came: list[int]
    waiting: list[int]
    """That no GPU had begun, at the end of each."""
    made: dict[str, list[int]]
    """By model."""
    failed: dict[str, list[int]]
    """By error code."""


Quantile = list[float | None]
"""One figure for each part of a span; None where there is none."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long clips took and what they brought, one figure for each part of a span in which they ended."""

    wait_p50: Quantile
    wait_p90: Quantile
    render_p50: Quantile
    render_p90: Quantile
    success: Quantile
    credits: list[int]
    made: list[int]


@dataclass(frozen=True, slots=True)
class MadeOfModel:
    """What became of the clips of one model."""

    made: int
    failed: int
    render_seconds: float | None
    """p50."""

    @property
    def ended(self) -> int:
        return self.made + self.failed

    @property
    def failed_share(self) -> float | None:
        return self.failed / self.ended if self.ended else None


def made_lately(length: timedelta = timedelta(days=7)) -> dict[str, MadeOfModel]:
    """Return what became of the clips asked for in the last days, by the model's slug, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_MODEL_SQL, [timezone.now() - length])
        rows = cursor.fetchall()
    return {slug: MadeOfModel(made, failed, None if p50 is None else float(p50)) for slug, made, failed, p50 in rows}


def totals_of(span: Span) -> Totals:
    """Return what ended in ``span``, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS_SQL, _parameters(span))
        made, failed, wait, render, credits = cursor.fetchone()
    return Totals(made, failed, _pair(wait), _pair(render), int(credits))


def times_of(span: Span) -> Times:
    """Return how long what ended in ``span`` took, and what it brought, in one query."""
    times = Times(
        wait_p50=[None] * span.parts,
        wait_p90=[None] * span.parts,
        render_p50=[None] * span.parts,
        render_p90=[None] * span.parts,
        success=[None] * span.parts,
        credits=[0] * span.parts,
        made=[0] * span.parts,
    )
    with connection.cursor() as cursor:
        cursor.execute(_TIMES_SQL, _parameters(span))
        for bucket, wait, render, credits, made, failed in cursor.fetchall():
            at = span.place_of(bucket)
            times.wait_p50[at], times.wait_p90[at] = _pair(wait) or (None, None)
            times.render_p50[at], times.render_p90[at] = _pair(render) or (None, None)
            times.success[at] = made / (made + failed) if made + failed else None
            times.credits[at], times.made[at] = int(credits), made
    return times


def longest_waits_of(span: Span) -> Quantile:
    """Return for how long the clip had waited that waited longest at the end of each part of ``span``, or until now, in
    seconds and in one query; None where no clip did.

    The times of clips that have begun say nothing of those that still wait, which are the ones to look after.
    """
    found: Quantile = [None] * span.parts
    now, step = timezone.now(), (span.until - span.since) / span.parts
    with connection.cursor() as cursor:
        cursor.execute(_LONGEST_SQL, _parameters(span))
        for part, came in cursor.fetchall():
            found[part - 1] = max(0.0, min(span.since + part * step, now).timestamp() - came)
    return found


def course_of(span: Span, *, waiting_now: int) -> Course:
    """Return how ``span``, which ends now, went, in one query. ``waiting_now`` have been begun by no GPU at its end,
    whether they are in the queue or handed to one."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * span.parts)
    with connection.cursor() as cursor:
        cursor.execute(_BUCKETS_SQL, _parameters(span))
        for what, bucket, which, count in cursor.fetchall():
            counts[what, which][span.place_of(bucket)] += count
    came, left = counts["came", ""], counts["left", ""]
    waiting, depth = [0] * span.parts, waiting_now
    for at in reversed(range(span.parts)):
        waiting[at] = max(0, depth)
        depth += left[at] - came[at]
    by_model = {which: course for (what, which), course in counts.items() if what == "succeeded"}
    by_code = {which or "unknown": course for (what, which), course in counts.items() if what in ("failed", "blocked")}
    return Course(came, waiting, by_model, by_code)


def _parameters(span: Span) -> dict[str, datetime | int]:
    return {"earliest": span.since - LONGEST_LIFE, "since": span.since, "until": span.until, "count": span.parts}


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return (float(values[0]), float(values[1])) if values is not None else None
