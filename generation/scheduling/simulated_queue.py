"""The fair queue and RQ's line in every future: who joins the line by ``window`` and ``fair_queue``, and what a machine
sees of it."""

from __future__ import annotations

import numpy as np

from generation.scheduling.capacity import MOST_FOR_SOME, MOST_FREE_FOR_SOME, MOST_RESERVED_FOR_SOME, places_for
from generation.scheduling.futures import Flags, Floats, Ints
from generation.scheduling.simulated_clips import SimulatedClips
from generation.scheduling.simulated_machines import SimulatedMachines
from generation.scheduling.snapshot import Snapshot
from generation.tiers import MOST_PASSES, yields
from gpu_worker.job_choice import LOOKS


class SimulatedQueue:
    """Rows are futures. What stands in line, first in line first, are numbers of clips; behind it stands nobody."""

    def __init__(self, snapshot: Snapshot, clips: SimulatedClips, machines: SimulatedMachines, plays: int) -> None:
        self._clips, self._window, self._rows = clips, snapshot.bounds.window, np.arange(plays)
        levels = machines.levels
        lined = len(snapshot.window)
        sizes = [machine.budget_bytes for machine in snapshot.machines if machine.away is None]
        able = [sum(size >= b for size in sizes) for b in levels]
        self._places = np.array(
            [places_for(each, len(sizes), jobs_per_worker=snapshot.jobs_per_worker) for each in able], dtype=np.int64
        )
        self._is_for_some = np.array([each < len(sizes) for each in able], dtype=bool)
        width = max(lined, 2 * int(self._places.max(initial=0)) + len(levels)) + 1
        self._line = np.full((plays, width), clips.nobody, dtype=np.int64)
        self._line[:, :lined] = np.arange(lined)
        self._length = np.full(plays, lined)
        # What waits outside of it, in lanes by tier and by the smallest machine that can hold it.
        lanes: list[list[int]] = [[] for _ in range(2 * len(levels))]
        for number, clip in enumerate(snapshot.queue):
            lanes[yields(clip.tag) * len(levels) + machines.level_of(clip.needs_bytes)].append(lined + number)
        longest = max(map(len, lanes), default=0)
        filled = [[*numbers, *[clips.nobody] * (longest + 1 - len(numbers))] for numbers in lanes]
        self._lanes = np.array(filled, dtype=np.int64).reshape(len(lanes), longest + 1)
        self._heads = np.zeros((plays, len(lanes)), dtype=np.int64)
        # How many in line need more than the machines below each level have.
        in_line = clips.level[0, :lined]
        behind = clips.yields[0, :lined]
        counts = [[int(((in_line >= n) & (behind == free)).sum()) for n in range(len(levels))] for free in (0, 1)]
        self._taken = np.repeat(np.array(counts, dtype=np.int64)[:, None], plays, axis=1)  # of each tier
        self._clock = np.tile([[snapshot.clock], [snapshot.free_clock]], (1, plays))
        coming = clips.arrive.shape[1] - 1
        self._is_to_come: Flags = np.ones((plays, coming), dtype=bool)
        self._arrived = np.zeros(plays, dtype=np.int64)
        self._waits_outside = np.full((plays, coming), np.inf)
        self._coming_level = clips.level[:, clips.known : clips.nobody].astype(np.int64)
        self._outside = np.full(plays, len(snapshot.queue))
        self._all_levels = np.arange(len(levels))

    def next_arrival(self) -> Floats:
        """Return when the next clip comes."""
        soonest: Floats = self._clips.arrive[self._rows, self._arrived]
        return soonest

    def let_arrive(self, now: Floats) -> None:
        """Give the clips that have arrived by now their tags."""
        clips, times = self._clips, self._clips.arrive[:, :-1]
        come = (times <= now[:, None]) & self._is_to_come & np.isfinite(now)[:, None]
        if come.any():
            tags = clips.tag[:, clips.known : clips.nobody]
            free = clips.yields[:, clips.known : clips.nobody]
            tags += np.where(come, np.where(free, self._clock[1][:, None], self._clock[0][:, None]), 0.0)
            np.copyto(self._waits_outside, tags, where=come)
            self._is_to_come &= ~come
            count = come.sum(axis=1)
            self._arrived += count
            self._outside += count

    def fill_line(self, now: Floats) -> None:
        """Move the lowest tags into the line while there are places for their size and tier: see ``window``."""
        clips = self._clips
        while (self._outside > 0).any():
            closed = self.closed()
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
            tier = clips.yields[who, what].astype(np.int64)
            self._taken[tier, who] += clips.level[who, what][:, None] >= self._all_levels
            clips.entered[who, what] = now[moves]
            self._clock[tier, who] = np.maximum(self._clock[tier, who], least[moves])

    def closed(self) -> Flags:
        """Return for which tier, future and level there is no place: see ``window``."""
        (ahead, behind), some = self._taken, self._is_for_some
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

    def look(self, level: Ints, holds: Flags) -> tuple[Ints, Ints, Flags]:
        """Return what a machine of that level looks at: how many stand before that, who it is, and which of them it can
        hold.

        That is the first window with something for it. A machine that ``holds`` a clip beside looks at the first alone.
        """
        window, levels = self._window, self._clips.level
        used = max(1, int(self._length.max()))  # whatever stands behind is nobody
        most = level[:, None]
        behind = np.zeros(len(self._rows), dtype=np.int64)
        head = self._line[:, : min(window, used)]
        fits: Flags = levels[self._rows[:, None], head] <= most
        lacks = ~fits.any(axis=1) & (self._length > window)
        if lacks.any():
            who = np.flatnonzero(lacks & ~holds)
            further = levels[who[:, None], self._line[who, : LOOKS * window]] <= most[who]
            place = further.argmax(axis=1)  # 0, where there is none
            behind[who] = place - place % window
            columns = np.minimum(behind[who, None] + np.arange(window), self._line.shape[1] - 1)
            head = head.copy()
            head[who] = self._line[who[:, None], columns]
            fits[who] = levels[who[:, None], head[who]] <= most[who]
        return behind, head, fits

    def leave(self, place: Ints, taken: Ints, takes: Flags) -> None:
        """Take what was taken out of the line, where something was, and free its place in the window."""
        used = int(self._length.max(initial=0))  # with nobody behind it, as wide as the line may become
        after = (np.arange(used) >= place[:, None]) & takes[:, None]
        self._line[:, :used] = np.where(after, self._line[:, 1 : used + 1], self._line[:, :used])
        self._length[takes] -= 1
        gone = (self._clips.level[self._rows, taken][:, None] >= self._all_levels) & takes[:, None]
        self._taken[self._clips.yields[self._rows, taken].astype(np.int64), self._rows] -= gone

    def _join_line(self, who: Ints, what: Ints) -> None:
        """Put a yielding clip at the end of the line, and any other before the first that yields."""
        clips = self._clips
        length = self._length[who]
        used = int(length.max()) + 1
        line = self._line[who, :used]
        yielding = clips.yields[who[:, None], line] & (np.arange(line.shape[1]) < length[:, None])
        is_before = yielding.any(axis=1) & ~clips.yields[who, what]
        place = np.where(is_before, yielding.argmax(axis=1), length)
        first = line[np.arange(len(who)), place]
        column = np.arange(line.shape[1])
        moved = np.concatenate([line[:, :1], line[:, :-1]], axis=1)
        line = np.where(column > place[:, None], moved, line)
        line[np.arange(len(who)), place] = what
        self._line[who, :used] = line
        self._length[who] += 1
        passes = is_before & clips.is_wanted[what]
        self._pass(who[passes], first[passes])

    def _pass(self, who: Ints, first: Ints) -> None:
        """Count the clips that passed the first yielding one; passed often enough, it yields no more."""
        clips = self._clips
        clips.passes[who, first] += 1
        done = clips.passes[who, first] >= MOST_PASSES
        who, first = who[done], first[done]
        clips.yields[who, first] = False
        levels = (clips.level[who, first][:, None] >= self._all_levels).astype(np.int64)
        self._taken[0, who] += levels
        self._taken[1, who] -= levels

    def _next_queued(self, closed: Flags) -> tuple[Ints, Floats, Ints]:
        """Return the lowest tag of the snapshot's queue for which there is a place: clip, tag and lane."""
        nexts = self._lanes[np.arange(len(self._lanes)), self._heads]
        tags = np.where(np.concatenate(list(closed), axis=1), np.inf, self._clips.tag[self._rows[:, None], nexts])
        lane = tags.argmin(axis=1)
        return nexts[self._rows, lane], tags[self._rows, lane], lane

    def _next_coming(self, closed: Flags) -> tuple[Ints, Floats, Ints]:
        """Return the lowest tag of later arrivals for which there is a place: clip, tag and number."""
        clips, outside = self._clips, self._waits_outside
        if not outside.shape[1]:
            nobody = np.full(len(self._rows), clips.nobody)
            return nobody, np.full(len(self._rows), np.inf), nobody
        if closed.any():
            tiers = clips.yields[:, clips.known : clips.nobody].astype(np.int64)
            outside = np.where(closed[tiers, self._rows[:, None], self._coming_level], np.inf, outside)
        number = outside.argmin(axis=1)
        return clips.known + number, outside[self._rows, number], number
