"""When clips start and are ready, as ranges, from one snapshot: ``forecast`` is a pure function.

Near clips are played forward one by one (``simulation``). What is too far away for that flows: a stretch of the queue
takes its seconds, shared by the machines, less what those take who will come and overtake. So the cost is that of the
near clips and of a bounded number of stretches, whatever the queue's length.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from generation.scheduling.arrivals import factor_at
from generation.scheduling.calibration import Range
from generation.scheduling.futures import Floats, draw_seconds
from generation.scheduling.outages import share_here
from generation.scheduling.passing import NOBODY, Passing, passing
from generation.scheduling.service_times import Spread
from generation.scheduling.simulation import Futures, Simulation
from generation.scheduling.snapshot import Clip, Snapshot
from generation.tiers import FREE_BEGINS, yields

PLAYS, LEAST_PLAYS, PLAYS_OF_ONE = 240, 48, 1_000
"""Futures: ``PLAYS_OF_ONE`` by the root of how many clips are near, within the first two. A round then takes
little longer for a long queue than for a short one, and no more than a few times as long for a hundred machines."""
NEAR_CLIPS = 8
"""Of the queue, beside the window, that are played one by one. With 24 and with 96 simulated forecasts held as often,
and each costs a step of each round."""
PERCENTILES = (10, 50, 90)
_P90 = 1.2815515594600038
_LEAST_SHARE = 0.15
"""Of the machines that those who wait get at the least, however many overtake: the fair queue starves nobody."""
LAST, LAST_PAID = "", "paid"
"""Ids of clips that nobody has asked for: behind everybody, and behind those that are paid for. They tell how long the
line is."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Of one clip, in seconds from the snapshot. A clip that is being made has started."""

    start: Range
    ready: Range


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of every near clip by id, and of places in the queue by tag and, among equal tags, by who asked first."""

    by_id: Mapping[str, Expected]
    tags: tuple[float, ...] = ()
    asked_at: tuple[float, ...] = ()
    starts: tuple[Range, ...] = ()
    """Of a clip with each of ``tags`` that was asked for at that of ``asked_at``, ascending."""
    is_whole: bool = True
    """Whether the last of ``tags`` is behind everybody."""
    passing: Passing = NOBODY

    def at(self, tag: float, service: Spread, build: str = "", *, asked_at: float = math.inf) -> Expected | None:
        """Return what a clip of this tag may expect, whether it waits already or is not asked for yet; None while
        nobody takes clips, or where the queue is deeper than anybody has looked.

        Args:
            build: empty where it goes before no long render.
            asked_at: of one that waits already. While a queue grows many have the same tag: the clock stands still
                while those of one tag are made, and whoever asks for the same price meanwhile gets the next one.
        """
        if not self.tags or (tag > self.tags[-1] and not self.is_whole):
            return None
        start = self._start(tag, asked_at)
        first = self.passing.start(tag, service, build)
        if first is None or first[0].mid >= start.mid:
            return Expected(start, self.passing.later(plus(start, service), service))
        sooner, loading = first
        start = Range(*(min(ends) for ends in zip(sooner.ends, start.ends, strict=True)))
        return Expected(start, shift(plus(start, service), loading))

    def _start(self, tag: float, asked_at: float) -> Range:
        places = list(zip(self.tags, self.asked_at, strict=True))
        after = bisect.bisect_left(places, (tag, asked_at))
        if after == 0:
            return self.starts[0]
        if after == len(places):
            return self.starts[-1]
        share = _share((tag, asked_at), places[after - 1], places[after])
        pairs = zip(self.starts[after - 1].ends, self.starts[after].ends, strict=True)
        return Range(*(a + share * (b - a) for a, b in pairs))


def _share(place: tuple[float, float], before: tuple[float, float], after: tuple[float, float]) -> float:
    """Return how far a place lies between two others, by tags, and between equal ones by who asked first."""
    differing = 0 if after[0] > before[0] else 1
    length = after[differing] - before[differing]
    return (place[differing] - before[differing]) / length if 0 < length < math.inf else 0.0


def forecast(snapshot: Snapshot, random: np.random.Generator, *, plays: int | None = None) -> Forecast:
    """Return when what is in the snapshot starts and is ready. The same generator gives the same forecast."""
    if plays is None:
        near = max(1, len(snapshot.window) + len(snapshot.queue))
        plays = max(LEAST_PLAYS, min(PLAYS, round(PLAYS_OF_ONE / math.sqrt(near))))
    if not snapshot.machines:
        return Forecast(_delivered(snapshot, _in_hand(snapshot, random, plays)))
    queue = sorted([*snapshot.queue, *_probes(snapshot)], key=_place)
    played = replace(snapshot, queue=tuple(queue))
    futures = Simulation(played, random, plays).run()
    clips = [*played.window, *played.queue]
    starts, readies = _ranges(futures.start), _ranges(futures.ready)
    by_id = {c.id: Expected(*each) for c, *each in zip(clips, starts, readies, strict=True) if not c.is_probe}
    by_id |= _in_hand(snapshot, random, plays) | _held(played, futures)
    by_id = _delivered(snapshot, by_id)
    places = [_place(clip) for clip in played.queue]
    knots = starts[len(played.window) :]
    if not places:  # nobody waits, and of nobody is known what he would load
        places, knots = [(snapshot.clock, 0.0)], _ranges(futures.free.min(axis=1, keepdims=True))
    elif snapshot.deep:
        places += [(stretch.last_tag, stretch.last_asked_at) for stretch in snapshot.deep]
        knots += _flow(snapshot, futures.start[:, -1], random)
    tags, asked_at = zip(*places, strict=True)
    goes_by = passing(played, futures.pass_at)
    return Forecast(by_id, tags, asked_at, tuple(_ascending(knots)), snapshot.is_whole, goes_by)


def _place(clip: Clip) -> tuple[float, float]:
    return clip.tag, clip.asked_at


def _in_hand(snapshot: Snapshot, random: np.random.Generator, plays: int) -> dict[str, Expected]:
    in_hand = [*(machine.in_hand for machine in snapshot.machines if machine.in_hand), *snapshot.leaving]
    readies = _ranges(draw_seconds(random, [each.remaining for each in in_hand], range(len(in_hand)), plays))
    return {each.id: Expected(Range(0.0, 0.0, 0.0), ready) for each, ready in zip(in_hand, readies, strict=True)}


def _held(snapshot: Snapshot, futures: Futures) -> dict[str, Expected]:
    """What machines have in hand that may let others pass, or have let pass."""
    hands = enumerate(machine.in_hand or machine.held for machine in snapshot.machines)
    held = [(n, hand.id) for n, hand in hands if hand is not None and np.isfinite(futures.hand_ready[:, n]).all()]
    columns = [n for n, _ in held]
    pairs = zip(_ranges(futures.hand_start[:, columns]), _ranges(futures.hand_ready[:, columns]), strict=True)
    return {id: Expected(*pair) for (_, id), pair in zip(held, pairs, strict=True)}


def _delivered(snapshot: Snapshot, on_card: Mapping[str, Expected]) -> dict[str, Expected]:
    """Return when clips are ready that leave their cards then."""
    hands = [hand for machine in snapshot.machines for hand in (machine.in_hand, machine.held) if hand]
    waiting = {clip.id: clip.delivery for clip in (*snapshot.window, *snapshot.queue)}
    delivery = waiting | {hand.id: hand.delivery for hand in (*hands, *snapshot.leaving)}
    return {id: Expected(each.start, plus(each.ready, delivery[id])) for id, each in on_card.items()}


def plus(start: Range, service: Spread) -> Range:
    """Return when what starts in that range and takes so long is ready."""
    spread = math.hypot(service.sd, service.doubt)
    mid = start.mid + service.median_seconds
    early = service.median_seconds * (1 - math.exp(-_P90 * spread))
    late = service.median_seconds * (math.exp(_P90 * spread) - 1)
    return Range(mid - math.hypot(start.mid - start.low, early), mid, mid + math.hypot(start.high - start.mid, late))


def shift(said: Range, seconds: float) -> Range:
    """Return the range that comes so much later."""
    return Range(*(end + seconds for end in said.ends))


def _probes(snapshot: Snapshot) -> list[Clip]:
    """One clip more, of the build that comes most, behind all that are played; and where some of these are free, one
    behind those that are paid for. Where others wait deeper, it stands before them, whatever the clocks are, and there
    is none for free clips unless the queue is played as far as them."""
    waiting, kinds = [*snapshot.queue, *snapshot.window], snapshot.arrivals.kinds
    builds = Counter([*(clip.build for clip in waiting), *(kind.build for kind in kinds)])
    build = builds.most_common(1)[0][0] if builds else next(iter(sorted(snapshot.builds)), None)
    if build is None:
        return []
    is_the_end = snapshot.is_whole and not snapshot.deep
    places = [_place(clip) for clip in snapshot.queue]
    last = {False: max([(snapshot.clock, math.inf), *(place for place in places if not yields(place[0]))])}
    if any(yields(clip.tag) for clip in (waiting if is_the_end else snapshot.queue)):
        last[True] = max([(snapshot.free_clock, math.inf), *places])
    if places and not is_the_end:
        last[max(last)] = max(places)
    return [
        Clip(
            LAST if is_free == max(last) else LAST_PAID,
            build,
            # Before the next one of the same tag that waits deeper.
            tag if asked_at < math.inf and not is_the_end else math.nextafter(tag, math.inf),
            Spread(0.0, 0.0),
            is_probe=True,
            asked_at=math.nextafter(asked_at, math.inf),
        )
        for is_free, (tag, asked_at) in last.items()
    ]


def _flow(snapshot: Snapshot, tail_start: Floats, random: np.random.Generator) -> list[Range]:
    """When the last clip of each deep stretch starts.

    While a stretch joins RQ's line the fair queue's clock goes from the tag before it to its last one. Who comes
    meanwhile is so much above that clock, and lands in the stretch with that tag, or in front of all free ones if he
    pays. So many clips of one tag that wait keep the clock where it is, and whoever comes goes behind them.
    """
    arrivals, deep = snapshot.arrivals, snapshot.deep
    machines = share_here(snapshot.outages) * sum(1 / machine.slowness.median_seconds for machine in snapshot.machines)
    plays = len(tail_start)
    rates = arrivals.per_second * np.exp(arrivals.doubt * random.standard_normal(plays))
    pace = np.exp(0.1 * random.standard_normal(plays))
    landing = _Landing(snapshot)
    done = max([snapshot.clock, *(clip.tag for clip in snapshot.queue)])
    in_line = sum(clip.service.mean_seconds for clip in snapshot.window) / machines
    come = random.poisson(rates * np.maximum(0.0, tail_start - in_line))
    middle = snapshot.queue[len(snapshot.queue) // 2].tag if snapshot.queue else done
    landed = come[:, None] * landing.seconds(middle, is_free=yields(middle), played_to=done)
    times, now = [], tail_start.copy()
    for number, stretch in enumerate(deep):
        is_free = yields(stretch.last_tag)
        between = (max(done, FREE_BEGINS if is_free else 0.0) + stretch.last_tag) / 2
        clock = between if stretch.middle_tag is None else stretch.middle_tag
        seconds = landing.seconds(clock, is_free=is_free, own=number)
        rate = rates * factor_at(arrivals, now)
        share = np.maximum(_LEAST_SHARE * machines, machines - rate * seconds[number])
        each = stretch.seconds / max(1, stretch.clips)
        noise = each * math.sqrt(max(1, stretch.clips)) * 0.6 * random.standard_normal(plays)
        takes = (np.maximum(0.0, stretch.seconds * pace + noise) + landed[:, number]) / share
        times.append(now + takes * (1 - 1 / max(1, stretch.clips)))
        now = now + takes
        landed += random.poisson(rate * takes)[:, None] * seconds
        done = stretch.last_tag
    return _ranges(np.stack(times, axis=1))


class _Landing:
    """Into which deep stretch goes who comes."""

    def __init__(self, snapshot: Snapshot) -> None:
        kinds = snapshot.arrivals.kinds
        self._last_tags = np.array([stretch.last_tag for stretch in snapshot.deep])
        self._clocks = np.array([snapshot.free_clock if kind.is_free else snapshot.clock for kind in kinds])
        self._is_free = np.array([kind.is_free for kind in kinds], dtype=bool)
        self._heights = np.array([kind.above_clock for kind in kinds])
        self._each = np.array([kind.service.mean_seconds for kind in kinds]) / max(1, len(kinds))

    def seconds(self, clock: float, *, is_free: bool, own: int = 0, played_to: float | None = None) -> Floats:
        """Return what one who comes brings to each stretch, in seconds on a card.

        Args:
            clock: of the tier that joins RQ's line.
            is_free: which tier that is.
            own: the stretch that joins it.
            played_to: the last tag of those that are played, while these join it: who goes before that one is played.
        """
        tags = np.where(self._is_free == is_free, clock, self._clocks) + self._heights
        stretch = np.searchsorted(self._last_tags, tags, side="right")  # behind whoever has the same tag
        goes_first = is_free & ~self._is_free
        stretch = np.where(goes_first, own, np.maximum(own, stretch))
        count = len(self._last_tags)
        if played_to is not None:
            stretch = np.where(goes_first | (tags < played_to), count, stretch)
        brought: Floats = np.bincount(stretch, weights=self._each, minlength=count + 1)[:count].astype(np.float64)
        return brought


def _ranges(futures: Floats) -> list[Range]:
    """One range for each column. A clip that starts in no future is as late as any."""
    finite = np.where(np.isfinite(futures), futures, np.nan_to_num(futures, posinf=0.0).max(initial=0.0))
    return [Range(*map(float, column)) for column in np.percentile(finite, PERCENTILES, axis=0).T]


def _ascending(ranges: list[Range]) -> list[Range]:
    """Later tags do not start earlier: what affinity makes of single clips is no matter of the place."""
    ends = np.array([each.ends for each in ranges]).reshape(-1, 3)
    return [Range(*map(float, row)) for row in np.maximum.accumulate(ends, axis=0)]
