"""The newest forecast, where everybody can read it: one process writes it once a round, a watcher reads one entry.

Two keys of Valkey: a hash with an entry for each near clip, and what places further back may expect, by tag. Both
lapse soon, so that nobody is told what nobody keeps up.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

import redis
from django.conf import settings
from redis.client import Pipeline

from generation.scheduling import queue_depth
from generation.scheduling.calibration import Calibration, Factor, Range
from generation.scheduling.forecast import Expected, Forecast
from generation.scheduling.misses import Miss
from generation.scheduling.passing import NOBODY, Passing
from generation.scheduling.service_times import Spread
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

CLIPS_KEY: Final = "forecast:clips"
PLACES_KEY: Final = "forecast:places"
_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Places:
    """What a clip may expect by its tag, and what earlier forecasts have taught."""

    at: float
    clock: float
    """Of the fair queue, at that time."""
    forecast: Forecast
    calibration: Calibration
    services: Mapping[str, Spread] = field(default_factory=dict)
    """What near clips take, by ``Work.name``."""
    overdue: Mapping[UUID, Miss] = field(default_factory=dict)
    """Which open clips are later than they were told, by id, the latest first."""
    signing: frozenset[str] = frozenset()
    """The ids of clips that are made and wait to be signed: they keep no card from others."""

    def expected(
        self, tag: float, service: Spread, *, tier: str, now: float, build: str = "", asked_at: float = math.inf
    ) -> Expected | None:
        """Return what a clip of this tag may expect, in seconds from now; None while nobody takes clips. Of a known
        build, whether it goes before a long render is reckoned with; of one that waits, when it was asked for."""
        found = self.forecast.at(tag, service, build, asked_at=asked_at)
        if found is None:
            return None
        return Expected(
            _later(self.calibration.correct(found.start, tier), now - self.at),
            _later(self.calibration.correct(found.ready, tier), now - self.at),
        )


class Board(NamedTuple):
    """The newest forecast as it was read: near clips, and what places further back may expect."""

    near: Mapping[str, Expected]
    """Of near clips that were asked for, by id, in seconds from now."""
    places: Places | None
    """None where nobody has made a forecast lately."""
    depth: queue_depth.Depth

    @property
    def signing(self) -> frozenset[str]:
        """The ids of clips that are made and wait to be signed."""
        return frozenset() if self.places is None else self.places.signing


NOTHING: Final = Board({}, None, queue_depth.Depth([]))
"""While Valkey is away."""


def lapses_after_seconds() -> int:
    """Return for how long a forecast holds: a few rounds of the beat."""
    rounds_seconds: float = 6 * settings.HOUSEKEEPING_SECONDS
    return max(30, int(rounds_seconds))


def publish(
    said: Mapping[str, Expected],
    forecast: Forecast,
    calibration: Calibration,
    services: Mapping[str, Spread],
    overdue: Mapping[UUID, Miss],
    *,
    signing: Collection[str] = (),
    at: float,
    clock: float,
) -> None:
    """Replace what was there: ``said`` of near clips, as corrected, and places further back.

    Args:
        services: what clips take, by ``Work.name``.
        overdue: which clips are later than they were told, by id.
        signing: ids of clips that are made and wait to be signed.
    """
    lasts = lapses_after_seconds()
    entries: dict[Any, Any] = {id: json.dumps([at, *_numbers([each.start, each.ready])]) for id, each in said.items()}
    places = {
        "at": at,
        "clock": clock,
        "tags": forecast.tags,
        "asked": [None if each == math.inf else each for each in forecast.asked_at],
        "starts": [_numbers([start]) for start in forecast.starts],
        "is_whole": forecast.is_whole,
        "passing": forecast.passing.to_json(),
        "factors": [[*key, factor.low, factor.high, factor.clips] for key, factor in calibration.factors.items()],
        "services": {name: [each.median_seconds, each.sd, each.doubt] for name, each in services.items()},
        "overdue": {
            str(id): [miss.cause, round(miss.due_at, _DIGITS), miss.told_seconds] for id, miss in overdue.items()
        },
        "signing": sorted(signing),
    }
    with connection().pipeline() as pipeline:
        pipeline.delete(CLIPS_KEY)
        if entries:
            pipeline.hset(CLIPS_KEY, mapping=entries)
            pipeline.expire(CLIPS_KEY, lasts)
        pipeline.set(PLACES_KEY, json.dumps(places), ex=lasts)
        pipeline.execute()


def of_clips(ids: Sequence[str], *, now: float | None = None) -> dict[str, Expected]:
    """Return what near clips may expect, in seconds from now, in one round trip. Clips further back are not in it."""
    return dict(read(ids, now=now).near)


def places() -> Places | None:
    """Return what places further back may expect; None where there is no recent forecast."""
    return read([]).places


def read(ids: Sequence[str], *, now: float | None = None) -> Board:
    """Return all of it in one round trip: whoever asks of some clip does not know beforehand whether it is near."""
    try:
        with connection().pipeline(transaction=False) as pipeline:
            send(pipeline, ids)
            return of_answers(pipeline.execute(raise_on_error=False), ids, now=now)
    except redis.RedisError:
        return NOTHING


def send(pipeline: Pipeline, ids: Sequence[str] = ()) -> None:
    """Ask for a ``Board`` beside other things; ``of_answers`` reads it from what comes back."""
    pipeline.get(PLACES_KEY)
    pipeline.get(queue_depth.ENTRY)
    if ids:
        pipeline.hmget(CLIPS_KEY, list(ids))


def of_answers(answers: Sequence[Any], ids: Sequence[str] = (), *, now: float | None = None) -> Board:
    """Return the board from the answers to what ``send`` asked. What lies there in another form is passed over."""
    places, depth, *near = (None if isinstance(answer, Exception) else answer for answer in answers)
    since = time.time() if now is None else now
    said = zip(ids, near[0], strict=True) if near and near[0] else ()
    expected = {id: each for id, text in said if (each := _expected(id, text, since)) is not None}
    return Board(expected, _places_of(places), queue_depth.of_entry(depth))


def _expected(id: str, entry: bytes | None, now: float) -> Expected | None:
    try:
        if entry is None:
            return None
        at, *numbers = map(float, json.loads(entry))
        return Expected(_later(Range(*numbers[:3]), now - at), _later(Range(*numbers[3:]), now - at))
    except (ValueError, TypeError) as problem:
        logger.warning("The forecast of %s is refused: %r", id, problem)
        return None


@functools.lru_cache(maxsize=1)
def _places_of(entry: bytes | None) -> Places | None:
    """Parse the places of an entry, cached: it is read far more often than it changes."""
    try:
        if entry is None:
            return None
        found = json.loads(entry)
        factors = {(int(h), str(tier)): Factor(*map(float, rest)) for h, tier, *rest in found["factors"]}
        starts = tuple(Range(*map(float, start)) for start in found["starts"])
        passing = Passing.from_json(found["passing"]) if "passing" in found else NOBODY
        tags = tuple(map(float, found["tags"]))
        asked_at = tuple(math.inf if each is None else float(each) for each in found["asked"])
        forecast = Forecast({}, tags, asked_at, starts, bool(found["is_whole"]), passing)
        services = {str(name): Spread(*map(float, each)) for name, each in found.get("services", {}).items()}
        said = found.get("overdue", {}).items()
        overdue = {UUID(id): Miss(str(cause), float(due), float(told)) for id, (cause, due, told) in said}
        signing = frozenset(map(str, found.get("signing", ())))
        at, clock = float(found["at"]), float(found["clock"])
        return Places(at, clock, forecast, Calibration(factors), services, overdue, signing)
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        logger.warning("What lies under %s is refused: %r", PLACES_KEY, problem)
        return None


def _numbers(ranges: Sequence[Range]) -> list[float]:
    return [round(end, _DIGITS) for each in ranges for end in (each.low, each.mid, each.high)]


def _later(said: Range, seconds: float) -> Range:
    """The same, as it is told so much later."""
    low, mid, high = (max(0.0, end - max(0.0, seconds)) for end in (said.low, said.mid, said.high))
    return Range(low, mid, high)
