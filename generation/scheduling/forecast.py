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
    """Of every near clip by id, and of places in the queue by tag."""

    by_id: Mapping[str, Expected]
    tags: tuple[float, ...] = ()
    starts: tuple[Range, ...] = ()
    """Of a clip with each of ``tags``, ascending."""
    is_whole: bool = True
    """Whether the last of ``tags`` is behind everybody."""
    passing: Passing = NOBODY

    def at(self, tag: float, service: Spread, build: str = "") -> Expected | None:
        """Return what a clip of this tag may expect, whether it waits already or is not asked for yet; None while
        nobody takes clips, or where the queue is deeper than anybody has looked.

        Args:
            build: empty where it goes before no long render.
        """
        if not self.tags or (tag > self.tags[-1] and not self.is_whole):
            return None
        start = self._start(tag)
        first = self.passing.start(tag, service, build)
        if first is None or first[0].mid >= start.mid:
            return Expected(start, self.passing.later(plus(start, service), service))
        sooner, loading = first
        start = Range(*(min(ends) for ends in zip(sooner.ends, start.ends, strict=True)))
        return Expected(start, shifted(plus(start, service), loading))

    def _start(self, tag: float) -> Range:
        after = bisect.bisect_left(self.tags, tag)
        if after == 0:
            return self.starts[0]
        if after == len(self.tags):
            return self.starts[-1]
        before, share = after - 1, 1.0
        if self.tags[after] > self.tags[before]:
            share = (tag - self.tags[before]) / (self.tags[after] - self.tags[before])
        pairs = zip(self.starts[before].ends, self.starts[after].ends, strict=True)
        return Range(*(a + share * (b - a) for a, b in pairs))


def forecast(snapshot: Snapshot, random: np.random.Generator, *, plays: int | None = None) -> Forecast:
    """Return when what is in the snapshot starts and is ready. The same generator gives the same forecast."""
    if plays is None:
        near = max(1, len(snapshot.window) + len(snapshot.queue))
        plays = max(LEAST_PLAYS, min(PLAYS, round(PLAYS_OF_ONE / math.sqrt(near))))
    if not snapshot.machines:
        return Forecast(_delivered(snapshot, _in_hand(snapshot, random, plays)))
    queue = sorted([*snapshot.queue, *_probes(snapshot)], key=lambda clip: clip.tag)
    played = replace(snapshot, queue=tuple(queue))
    futures = Simulation(played, random, plays).run()
    clips = [*played.window, *played.queue]
    starts, readies = _ranges(futures.start), _ranges(futures.ready)
    by_id = {c.id: Expected(*each) for c, *each in zip(clips, starts, readies, strict=True) if not c.is_probe}
    by_id |= _in_hand(snapshot, random, plays) | _held(played, futures)
    by_id = _delivered(snapshot, by_id)
    tags = [clip.tag for clip in played.queue]
    knots = starts[len(played.window) :]
    if not tags:  # nobody waits, and of nobody is known what he would load
        tags, knots = [snapshot.clock], _ranges(futures.free.min(axis=1, keepdims=True))
    elif snapshot.deep:
        tags += [max(tags[-1], stretch.last_tag) for stretch in snapshot.deep]  # others may have the last one's tag
        knots += _flow(snapshot, futures.start[:, -1], random)
    return Forecast(by_id, tuple(tags), tuple(_ascending(knots)), snapshot.is_whole, passing(played, futures.pass_at))


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


def shifted(said: Range, seconds: float) -> Range:
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
    tags = [clip.tag for clip in snapshot.queue]
    last = {False: max([snapshot.clock, *(tag for tag in tags if not yields(tag))])}
    if any(yields(clip.tag) for clip in (waiting if is_the_end else snapshot.queue)):
        last[True] = max([snapshot.free_clock, *tags])
    if tags and not is_the_end:
        last[max(last)] = max(tags)
    return [
        Clip(LAST if is_free == max(last) else LAST_PAID, build, _after(tag), Spread(0.0, 0.0), is_probe=True)
        for is_free, tag in last.items()
    ]


def _after(tag: float) -> float:
    return math.nextafter(tag, math.inf)


def _flow(snapshot: Snapshot, tail_start: Floats, random: np.random.Generator) -> list[Range]:
    """Starts at the end of each deep stretch."""
    arrivals, outages = snapshot.arrivals, snapshot.outages
    are_here = 1 / (1 + outages.per_second * outages.lasts.median_seconds)
    machines = are_here * sum(1 / machine.slowness.median_seconds for machine in snapshot.machines)
    from_tag = max([snapshot.clock, *(clip.tag for clip in snapshot.queue)])
    free = np.array([kind.is_free for kind in arrivals.kinds])
    plays = len(tail_start)
    rates = arrivals.per_second * np.exp(arrivals.doubt * random.standard_normal(plays))
    pace = np.exp(0.1 * random.standard_normal(plays))
    heights = np.array([kind.above_clock for kind in arrivals.kinds])
    seconds = np.array([kind.service.median_seconds for kind in arrivals.kinds])
    times, now, done = [], tail_start.copy(), from_tag
    for stretch in snapshot.deep:
        is_free = yields(stretch.last_tag)
        middle = (max(done, FREE_BEGINS if is_free else 0.0) + stretch.last_tag) / 2
        # Who comes while the clock is below a tag less his own height goes before it, and before free ones who pays.
        reach = max(1e-9, middle - (snapshot.free_clock if is_free else snapshot.clock))
        overtakes = np.where(free == is_free, np.clip(1 - heights / reach, 0.0, 1.0), float(is_free))
        overtaking = np.mean(seconds * overtakes) if len(heights) else 0.0
        share = np.maximum(_LEAST_SHARE * machines, machines - rates * factor_at(arrivals, now) * overtaking)
        each = stretch.seconds / max(1, stretch.clips)
        noise = each * math.sqrt(max(1, stretch.clips)) * 0.6 * random.standard_normal(plays)
        now = now + np.maximum(0.0, stretch.seconds * pace + noise) / share
        times.append(now)
        done = stretch.last_tag
    return _ranges(np.stack(times, axis=1))


def _ranges(futures: Floats) -> list[Range]:
    """One range for each column. A clip that starts in no future is as late as any."""
    finite = np.where(np.isfinite(futures), futures, np.nan_to_num(futures, posinf=0.0).max(initial=0.0))
    return [Range(*map(float, column)) for column in np.percentile(finite, PERCENTILES, axis=0).T]


def _ascending(ranges: list[Range]) -> list[Range]:
    """Later tags do not start earlier: what affinity makes of single clips is no matter of the place."""
    ends = np.array([each.ends for each in ranges]).reshape(-1, 3)
    return [Range(*map(float, row)) for row in np.maximum.accumulate(ends, axis=0)]
