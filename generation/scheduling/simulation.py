"""The queue simulated forward: many random futures at once, one row of each array per future.

A machine that becomes free takes a clip by the rule of ``gpu_worker.job_choice``, out of a window that is filled by
tags as ``window`` and ``fair_queue`` do it. A step of ``Simulation`` is one such moment in every future, so what it
costs depends on the clips that are played, and on nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from generation.scheduling import arrivals
from generation.scheduling.capacity import MOST_FOR_SOME, MOST_FREE_FOR_SOME, MOST_RESERVED_FOR_SOME, places_for
from generation.scheduling.futures import Flags, Floats, Ints, draw_seconds
from generation.scheduling.simulated_asides import SimulatedAsides
from generation.scheduling.simulated_machines import SimulatedMachines
from generation.scheduling.snapshot import Snapshot
from generation.tiers import MOST_PASSES, yields
from gpu_worker.job_choice import LOOKS, PATIENT_LINES

MOST_STEPS_OF_HANDS = 64
"""For what machines have in hand from the start and may let others pass, once everybody else has started."""


@dataclass(frozen=True, slots=True)
class Futures:
    """When each clip of window and queue starts and is ready, in seconds from now: one row a future."""

    start: Floats
    ready: Floats
    free: Floats
    """When each machine is free after the last of them."""
    hand_start: Floats
    hand_ready: Floats
    """When what each machine has in hand or aside goes on and is ready, where it may let others pass."""
    pass_at: Floats
    """When whoever is not in line yet would go before a long render: see ``passing``."""


class Simulation:
    """All futures of one snapshot. Columns are clips: the window's, the queue's, those that will come, and nobody."""

    def __init__(self, snapshot: Snapshot, random: np.random.Generator, plays: int) -> None:
        self._snapshot, self._random, self._plays = snapshot, random, plays
        self._rows = np.arange(plays)
        self._machines = SimulatedMachines(snapshot, random, plays)
        self._levels = self._machines.levels
        self._place_clips()
        self._place_queue()
        self._asides = SimulatedAsides(snapshot, self._machines, random, plays, self._note_ready)

    def run(self) -> Futures:
        """Play until every clip of the snapshot has started, in each future."""
        known = self._known
        for _ in range(4 * known + 4 * arrivals.MOST_DRAWN):
            if not known or np.isfinite(self.start[:, :known]).all():
                break
            self._step()
        for _ in range(MOST_STEPS_OF_HANDS):
            if not self._asides.is_open:
                break
            self._step()
        self._asides.end()
        return Futures(
            self.start[:, :known],
            self.ready[:, :known],
            self._machines.free,
            self._asides.hand_start,
            self._asides.hand_ready,
            self._asides.pass_at,
        )

    def _note_ready(self, who: Ints, what: Ints, ready: Floats) -> None:
        self.ready[who, what] = ready

    def _place_clips(self) -> None:
        snapshot, plays = self._snapshot, self._plays
        clips = [*snapshot.window, *snapshot.queue]
        self._known = len(clips)
        coming = self._place_arrivals(sum(clip.service.median_seconds for clip in clips))
        kinds = snapshot.arrivals.kinds
        index = {build: number for number, build in enumerate(self._machines.builds)}
        builds = np.array([index[clip.build] for clip in clips], dtype=np.int64)
        kind_builds = np.array([index[kind.build] for kind in kinds] or [0], dtype=np.int64)

        def columns(known: Floats, of_kinds: Floats, nobody: float) -> Floats:
            known = np.broadcast_to(known, (plays, len(clips)))
            return np.concatenate([known, of_kinds[coming], np.full((plays, 1), nobody)], axis=1)

        self._build = np.concatenate(
            [np.broadcast_to(builds, (plays, len(clips))), kind_builds[coming], np.zeros((plays, 1), np.int64)], axis=1
        )
        spreads = [clip.service for clip in clips]
        medians = [kind.service.median_seconds for kind in kinds] or [0.0]
        noise = np.array([math.hypot(kind.service.sd, kind.service.doubt) for kind in kinds] or [0.0])
        self._typical = columns(np.array([each.median_seconds for each in spreads]), np.array(medians), 0.0)
        self._service = columns(draw_seconds(self._random, spreads, list(builds), plays), np.array(medians), 0.0)
        self._service[:, len(clips) : -1] *= np.exp(noise[coming] * self._random.standard_normal(coming.shape))
        levels = np.array([self._level(clip.needs_bytes) for clip in clips], dtype=float)
        self._level_of = columns(
            levels, np.array([float(self._level(kind.needs_bytes)) for kind in kinds] or [0.0]), 1e9
        )
        self._tag = columns(
            np.array([clip.tag for clip in clips]), np.array([k.above_clock for k in kinds] or [0.0]), np.inf
        )
        self._entered = columns(np.array([-clip.waited_seconds for clip in clips]), np.zeros(max(1, len(kinds))), 0.0)
        self._skips = columns(np.array([float(clip.skips) for clip in clips]), np.zeros(max(1, len(kinds))), 0.0)
        self._yields = columns(
            np.array([float(yields(clip.tag)) for clip in clips]),
            np.array([float(kind.is_free) for kind in kinds] or [0.0]),
            0.0,
        ).astype(bool)
        # A job's message still says so once its clip is passed often enough and yields no more.
        self._says_yields = self._yields.copy()
        self._says_yields[:, : len(clips)] |= np.array([clip.passes >= MOST_PASSES for clip in clips], dtype=bool)
        self._passes = columns(np.array([float(clip.passes) for clip in clips]), np.zeros(max(1, len(kinds))), 0.0)
        self._nobody = self._build.shape[1] - 1
        self._times_aside = np.array([*(clip.times_aside for clip in clips), *[0] * (coming.shape[1] + 1)])
        self._goes_on: Flags = np.zeros(plays, dtype=bool)
        self._is_wanted = np.array([*(not clip.is_probe for clip in clips), *[True] * coming.shape[1], False])
        self.start: Floats = np.full(self._build.shape, np.inf)
        self.ready: Floats = np.full(self._build.shape, np.inf)

    def _place_arrivals(self, seconds: float) -> Ints:
        """Draw who comes while clips of so many seconds are played, and return their kinds, one column each."""
        span_seconds = 3 * seconds / max(1, len(self._snapshot.machines)) + 120
        kinds, times = arrivals.draw(self._snapshot.arrivals, self._random, self._plays, span_seconds)
        self._arrive = np.concatenate([times, np.full((self._plays, 1), np.inf)], axis=1)
        self._is_to_come: Flags = np.ones(times.shape, dtype=bool)
        self._arrived = np.zeros(self._plays, dtype=np.int64)
        return kinds

    def _place_queue(self) -> None:
        """Place the window's clips in line, and the rest in lanes by tier and by the smallest machine that can hold
        them."""
        snapshot, plays = self._snapshot, self._plays
        lined = len(snapshot.window)
        sizes = [machine.budget_bytes for machine in snapshot.machines if machine.away is None]
        able = [sum(size >= b for size in sizes) for b in self._levels]
        self._places = np.array(
            [places_for(each, len(sizes), jobs_per_worker=snapshot.jobs_per_worker) for each in able], dtype=np.int64
        )
        self._is_for_some = np.array([each < len(sizes) for each in able], dtype=bool)
        width = max(lined, 2 * int(self._places.max(initial=0)) + len(self._levels)) + 1
        self._line = np.full((plays, width), self._nobody, dtype=np.int64)
        self._line[:, :lined] = np.arange(lined)
        self._length = np.full(plays, lined)
        lanes: list[list[int]] = [[] for _ in range(2 * len(self._levels))]
        for number, clip in enumerate(snapshot.queue):
            lanes[yields(clip.tag) * len(self._levels) + self._level(clip.needs_bytes)].append(lined + number)
        longest = max(map(len, lanes), default=0)
        filled = [[*numbers, *[self._nobody] * (longest + 1 - len(numbers))] for numbers in lanes]
        self._lanes = np.array(filled, dtype=np.int64).reshape(len(lanes), longest + 1)
        self._heads = np.zeros((plays, len(lanes)), dtype=np.int64)
        # How many in line need more than the machines below each level have.
        levels = self._level_of[0, :lined]
        behind = self._yields[0, :lined]
        counts = [[int(((levels >= n) & (behind == free)).sum()) for n in range(len(self._levels))] for free in (0, 1)]
        self._taken = np.repeat(np.array(counts, dtype=np.int64)[:, None], plays, axis=1)  # of each tier
        self._clock = np.tile([[snapshot.clock], [snapshot.free_clock]], (1, plays))
        self._waits_outside = np.full((plays, self._nobody - self._known), np.inf)
        self._coming_level = self._level_of[:, self._known : self._nobody].astype(np.int64)
        self._outside = np.full(plays, len(snapshot.queue))
        self._all_levels = np.arange(len(self._levels))

    def _level(self, needs_bytes: int) -> int:
        """Return the number of the smallest budget that holds so much, or of the largest where none does."""
        return next((n for n, size in enumerate(self._levels) if size >= needs_bytes), len(self._levels) - 1)

    def _step(self) -> None:
        """Let the machine that is free first take a clip, in each future."""
        rows, machines = self._rows, self._machines
        machine = machines.free.argmin(axis=1)
        now = machines.free[rows, machine]
        self._let_arrive(now)
        self._fill_window(now)
        if self._asides.is_known:
            self._asides.finish_due(machine, now)
        behind, head, fits = self._look(machine)
        if self._asides.is_known:  # nobody's clip is no reason to step aside, and in nobody's way
            fits &= self._is_wanted[head] | ~self._asides.holds(machine)[:, None]
            in_line = fits & (head < self._known)
            self._asides.note_passing(machine, now, np.where(in_line, self._tag[rows[:, None], head], np.inf))
        takes = fits.any(axis=1) & np.isfinite(now) & machines.is_here(machine, now)
        place, loading = self._choose(head, fits, machine, now)
        taken = np.where(takes, head[rows, place], self._nobody)
        if self._asides.is_known:
            takes &= ~self._lets_none_pass(machine, now, taken, loading)
            taken = np.where(takes, taken, self._nobody)
        before = fits & (np.arange(head.shape[1]) < place[:, None]) & takes[:, None]
        self._skips[rows[:, None], head] += before
        self._leave_line(np.where(takes, behind + place, self._line.shape[1]), taken, takes)
        is_made = takes & self._is_wanted[taken]
        took = np.where(is_made, loading + self._service[rows, taken] * machines.slowness[rows, machine], 0.0)
        self.start[rows, taken] = now
        goes_on = self._goes_on
        free = np.where(takes, now + took, self._next_event(now))
        machines.free[rows, machine] = np.where(goes_on, machines.free[rows, machine], free)
        self.ready[rows, taken] = machines.end_after_losses(machine, took, np.where(goes_on, -np.inf, now + took))
        machines.keep_residents(machine, self._build[rows, taken], now, is_made)
        if self._asides.is_known:
            build, seconds = self._build[rows, taken], took - loading
            is_free = self._says_yields[rows, taken]
            self._asides.begin(taken, machine, now + loading, seconds, build, is_free, is_made)

    def _look(self, machine: Ints) -> tuple[Ints, Ints, Flags]:
        """Return what the machine looks at: how many stand before that, who it is, and which of them it can hold.

        That is the first window with something for it. A machine that holds a clip beside looks at the first alone.
        """
        window = self._snapshot.bounds.window
        used = max(1, int(self._length.max()))  # whatever stands behind is nobody
        most = self._machines.level[machine][:, None]
        behind = np.zeros(self._plays, dtype=np.int64)
        head = self._line[:, : min(window, used)]
        fits: Flags = self._level_of[self._rows[:, None], head] <= most
        lacks = ~fits.any(axis=1) & (self._length > window)
        if lacks.any():
            who = np.flatnonzero(lacks & ~self._asides.holds(machine))
            further = self._level_of[who[:, None], self._line[who, : LOOKS * window]] <= most[who]
            place = further.argmax(axis=1)  # 0, where there is none
            behind[who] = place - place % window
            columns = np.minimum(behind[who, None] + np.arange(window), self._line.shape[1] - 1)
            head = head.copy()
            head[who] = self._line[who[:, None], columns]
            fits[who] = self._level_of[who[:, None], head[who]] <= most[who]
        return behind, head, fits

    def _lets_none_pass(self, machine: Ints, now: Floats, first: Ints, loading: Floats) -> Flags:
        """Return where the machine goes on with what it holds, whoever is first."""
        at = self._rows, first
        may_pass = (first != self._nobody) & self._is_wanted[first] & (self._times_aside[first] == 0)
        about = may_pass, self._typical[at], loading, self._says_yields[at]
        self._goes_on = self._asides.look(machine, now, about, self._next_event(now))
        return self._goes_on

    def _let_arrive(self, now: Floats) -> None:
        """Give the clips that have arrived by now their tags."""
        times = self._arrive[:, :-1]
        come = (times <= now[:, None]) & self._is_to_come & np.isfinite(now)[:, None]
        if come.any():
            tags = self._tag[:, self._known : self._nobody]
            free = self._yields[:, self._known : self._nobody]
            tags += np.where(come, np.where(free, self._clock[1][:, None], self._clock[0][:, None]), 0.0)
            np.copyto(self._waits_outside, tags, where=come)
            self._is_to_come &= ~come
            count = come.sum(axis=1)
            self._arrived += count
            self._outside += count

    def _fill_window(self, now: Floats) -> None:
        """Move the lowest tags into the line while there are places for their size and tier: see ``window``."""
        while (self._outside > 0).any():
            ahead, behind = self._taken
            closed = self._closed(ahead, behind)
            if closed[:, :, 0].all():
                return
            queued, queued_tag, lane = self._next_queued(closed)
            coming, coming_tag, number = self._next_coming(closed)
            comes = coming_tag < queued_tag
            least = np.where(comes, coming_tag, queued_tag)
            moves = np.isfinite(least) & (self._length < self._line.shape[1] - 1)
            if not moves.any():
                return
            who, of_coming = self._rows[moves], comes[moves]
            what = np.where(comes, coming, queued)[moves]
            self._waits_outside[who[of_coming], number[moves][of_coming]] = np.inf
            self._heads[who[~of_coming], lane[moves][~of_coming]] += 1
            self._join_line(who, what)
            self._outside[moves] -= 1
            tier = self._yields[who, what].astype(np.int64)
            self._taken[tier, who] += self._level_of[who, what][:, None] >= self._all_levels
            self._entered[who, what] = now[moves]
            self._clock[tier, who] = np.maximum(self._clock[tier, who], least[moves])

    def _closed(self, ahead: Ints, behind: Ints) -> Flags:
        """Return for which tier, future and level there is no place: see ``window``."""
        some = self._is_for_some
        paid_places = np.where(some, MOST_FOR_SOME - np.minimum(behind, MOST_FREE_FOR_SOME), self._places)
        full = (
            ahead >= np.minimum(self._places, paid_places),
            (ahead + behind >= self._places) | (some & (behind >= MOST_FREE_FOR_SOME)),
        )
        closed = np.stack([np.logical_or.accumulate(each, axis=1) for each in full])
        own = behind - np.concatenate([behind[:, 1:], np.zeros_like(behind[:, :1])], axis=1)
        may_reserve = np.logical_and.accumulate(~some | (behind < MOST_RESERVED_FOR_SOME), axis=1)
        closed[1] &= ~(may_reserve & (own == 0))
        return closed

    def _join_line(self, who: Ints, what: Ints) -> None:
        """Put a yielding clip at the end of the line, and any other before the first that yields."""
        length = self._length[who]
        used = int(length.max()) + 1
        line = self._line[who, :used]
        yielding = self._yields[who[:, None], line] & (np.arange(line.shape[1]) < length[:, None])
        is_before = yielding.any(axis=1) & ~self._yields[who, what]
        place = np.where(is_before, yielding.argmax(axis=1), length)
        first = line[np.arange(len(who)), place]
        column = np.arange(line.shape[1])
        moved = np.concatenate([line[:, :1], line[:, :-1]], axis=1)
        line = np.where(column > place[:, None], moved, line)
        line[np.arange(len(who)), place] = what
        self._line[who, :used] = line
        self._length[who] += 1
        passes = is_before & self._is_wanted[what]
        self._pass(who[passes], first[passes])

    def _pass(self, who: Ints, first: Ints) -> None:
        """Count the clips that passed the first yielding one; passed often enough, it yields no more."""
        self._passes[who, first] += 1
        done = self._passes[who, first] >= MOST_PASSES
        who, first = who[done], first[done]
        self._yields[who, first] = False
        levels = (self._level_of[who, first][:, None] >= self._all_levels).astype(np.int64)
        self._taken[0, who] += levels
        self._taken[1, who] -= levels

    def _next_queued(self, closed: Flags) -> tuple[Ints, Floats, Ints]:
        """Return the lowest tag of the snapshot's queue for which there is a place: clip, tag and lane."""
        nexts = self._lanes[np.arange(len(self._lanes)), self._heads]
        tags = np.where(np.concatenate(list(closed), axis=1), np.inf, self._tag[self._rows[:, None], nexts])
        lane = tags.argmin(axis=1)
        return nexts[self._rows, lane], tags[self._rows, lane], lane

    def _next_coming(self, closed: Flags) -> tuple[Ints, Floats, Ints]:
        """Return the lowest tag of later arrivals for which there is a place: clip, tag and number."""
        outside = self._waits_outside
        if not outside.shape[1]:
            nobody = np.full(self._plays, self._nobody)
            return nobody, np.full(self._plays, np.inf), nobody
        if closed.any():
            tiers = self._yields[:, self._known : self._nobody].astype(np.int64)
            outside = np.where(closed[tiers, self._rows[:, None], self._coming_level], np.inf, outside)
        number = outside.argmin(axis=1)
        return self._known + number, outside[self._rows, number], number

    def _choose(self, head: Ints, fits: Flags, machine: Ints, now: Floats) -> tuple[Ints, Floats]:
        """Choose by the worker's rule: return the place of the clip that it takes, and the seconds that it loads
        for."""
        rows, bounds = self._rows, self._snapshot.bounds
        builds = self._build[rows[:, None], head]
        loading = self._machines.loading_seconds(machine)[rows[:, None], builds]
        kinds = len(self._machines.builds)
        is_wanted = self._is_wanted[head]
        flat = rows[:, None] * kinds + builds
        sharers = np.bincount(flat[is_wanted], minlength=self._plays * kinds)[flat]
        typical = self._typical[rows[:, None], head]
        patience = np.maximum(bounds.max_wait_seconds, PATIENT_LINES * typical.sum(axis=1))
        waited = now[:, None] - self._entered[rows[:, None], head]
        overdue = fits & ((self._skips[rows[:, None], head] >= bounds.max_skips) | (waited > patience[:, None]))
        reach = np.where(overdue.any(axis=1), overdue.argmax(axis=1), head.shape[1])
        first = fits.argmax(axis=1)
        first_loading = loading[rows, first]
        is_worth_it = first_loading[:, None] - loading > bounds.affinity_fraction * typical
        eligible = fits & is_wanted & is_worth_it & (np.arange(head.shape[1]) <= reach[:, None])
        stays = is_wanted & ~self._says_yields[rows[:, None], head]
        is_before_one = np.logical_or.accumulate(stays[:, ::-1], axis=1)[:, ::-1]
        yielding = self._says_yields[rows[:, None], head] & ~is_before_one
        eligible &= ~(yielding & ~yielding[rows, first][:, None])
        share = np.where(eligible, loading / np.maximum(1, sharers), np.inf)
        best = share.argmin(axis=1)
        first_share = first_loading / np.maximum(1, sharers[rows, first])
        place = np.where(share[rows, best] < first_share, best, first)
        return place, loading[rows, place]

    def _leave_line(self, place: Ints, taken: Ints, takes: Flags) -> None:
        """Take what was taken out of the line, and free its place in the window."""
        used = int(self._length.max(initial=0))  # with nobody behind it, as wide as the line may become
        after = np.arange(used) >= place[:, None]
        self._line[:, :used] = np.where(after, self._line[:, 1 : used + 1], self._line[:, :used])
        self._length[takes] -= 1
        gone = (self._level_of[self._rows, taken][:, None] >= self._all_levels) & takes[:, None]
        self._taken[self._yields[self._rows, taken].astype(np.int64), self._rows] -= gone

    def _next_event(self, now: Floats) -> Floats:
        """Return when an idle machine looks again: when a clip arrives, or another machine's clip ends."""
        free = self._machines.free
        others = np.where(free > now[:, None], free, np.inf).min(axis=1)
        soonest: Floats = np.minimum(others, self._arrive[self._rows, self._arrived])
        return soonest
