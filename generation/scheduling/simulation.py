"""The queue simulated forward: many random futures at once, one row of each array per future.

A machine that becomes free takes a clip by the rule of ``gpu_worker.job_choice``, out of a window that is filled by
tags as ``window`` and ``fair_queue`` do it. A step of ``Simulation`` is one such moment in every future, so what it
costs depends on the clips that are played, and on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generation.scheduling import arrivals
from generation.scheduling.futures import Flags, Floats, Ints
from generation.scheduling.simulated_asides import SimulatedAsides
from generation.scheduling.simulated_clips import SimulatedClips
from generation.scheduling.simulated_machines import SimulatedMachines
from generation.scheduling.simulated_queue import SimulatedQueue
from generation.scheduling.snapshot import Snapshot
from gpu_worker.job_choice import PATIENT_LINES

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
    """All futures of one snapshot."""

    def __init__(self, snapshot: Snapshot, random: np.random.Generator, plays: int) -> None:
        self._snapshot, self._plays, self._rows = snapshot, plays, np.arange(plays)
        self._machines = SimulatedMachines(snapshot, random, plays)
        self._clips = SimulatedClips(snapshot, self._machines, random, plays)
        self._queue = SimulatedQueue(snapshot, self._clips, self._machines, plays)
        self._asides = SimulatedAsides(snapshot, self._machines, random, plays, self._note_ready)
        self._goes_on: Flags = np.zeros(plays, dtype=bool)
        self.start: Floats = np.full(self._clips.build.shape, np.inf)
        self.ready: Floats = np.full(self._clips.build.shape, np.inf)

    def run(self) -> Futures:
        """Play until every clip of the snapshot has started, in each future."""
        known = self._clips.known
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

    def _step(self) -> None:
        """Let the machine that is free first take a clip, in each future."""
        rows, machines, clips = self._rows, self._machines, self._clips
        machine = machines.free.argmin(axis=1)
        now = machines.free[rows, machine]
        self._queue.let_arrive(now)
        self._queue.fill_line(now)
        if self._asides.is_known:
            self._asides.finish_due(machine, now)
        behind, head, fits = self._queue.look(machines.level[machine], self._asides.holds(machine))
        if self._asides.is_known:  # nobody's clip is no reason to step aside, and in nobody's way
            fits &= clips.is_wanted[head] | ~self._asides.holds(machine)[:, None]
            in_line = fits & (head < clips.known)
            self._asides.note_passing(machine, now, np.where(in_line, clips.tag[rows[:, None], head], np.inf))
        takes = fits.any(axis=1) & np.isfinite(now) & machines.is_here(machine, now)
        place, loading = self._choose(head, fits, machine, now)
        taken = np.where(takes, head[rows, place], clips.nobody)
        if self._asides.is_known:
            takes &= ~self._lets_none_pass(machine, now, taken, loading)
            taken = np.where(takes, taken, clips.nobody)
        before = fits & (np.arange(head.shape[1]) < place[:, None]) & takes[:, None]
        clips.skips[rows[:, None], head] += before
        self._queue.leave(behind + place, taken, takes)
        is_made = takes & clips.is_wanted[taken]
        took = np.where(is_made, loading + clips.service[rows, taken] * machines.slowness[rows, machine], 0.0)
        self.start[rows, taken] = now
        goes_on = self._goes_on
        free = np.where(takes, now + took, self._next_event(now))
        machines.free[rows, machine] = np.where(goes_on, machines.free[rows, machine], free)
        self.ready[rows, taken] = machines.end_after_losses(machine, took, np.where(goes_on, -np.inf, now + took))
        machines.keep_residents(machine, clips.build[rows, taken], now, is_made)
        if self._asides.is_known:
            build, seconds = clips.build[rows, taken], took - loading
            is_free = clips.says_yields[rows, taken]
            self._asides.begin(taken, machine, now + loading, seconds, build, is_free, is_made)

    def _lets_none_pass(self, machine: Ints, now: Floats, first: Ints, loading: Floats) -> Flags:
        """Return where the machine goes on with what it holds, whoever is first."""
        clips, at = self._clips, (self._rows, first)
        may_pass = (first != clips.nobody) & clips.is_wanted[first] & (clips.times_aside[first] == 0)
        about = may_pass, clips.typical[at], loading, clips.says_yields[at]
        self._goes_on = self._asides.look(machine, now, about, self._next_event(now))
        return self._goes_on

    def _choose(self, head: Ints, fits: Flags, machine: Ints, now: Floats) -> tuple[Ints, Floats]:
        """Choose by the worker's rule: return the place of the clip that it takes, and the seconds that it loads
        for."""
        rows, clips, bounds = self._rows, self._clips, self._snapshot.bounds
        builds = clips.build[rows[:, None], head]
        loading = self._machines.loading_seconds(machine)[rows[:, None], builds]
        kinds = len(self._machines.builds)
        is_wanted = clips.is_wanted[head]
        flat = rows[:, None] * kinds + builds
        sharers = np.bincount(flat[is_wanted], minlength=self._plays * kinds)[flat]
        typical = clips.typical[rows[:, None], head]
        patience = np.maximum(bounds.max_wait_seconds, PATIENT_LINES * typical.sum(axis=1))
        waited = now[:, None] - clips.entered[rows[:, None], head]
        overdue = fits & ((clips.skips[rows[:, None], head] >= bounds.max_skips) | (waited > patience[:, None]))
        reach = np.where(overdue.any(axis=1), overdue.argmax(axis=1), head.shape[1])
        first = fits.argmax(axis=1)
        first_loading = loading[rows, first]
        is_worth_it = first_loading[:, None] - loading > bounds.affinity_fraction * typical
        eligible = fits & is_wanted & is_worth_it & (np.arange(head.shape[1]) <= reach[:, None])
        stays = is_wanted & ~clips.says_yields[rows[:, None], head]
        is_before_one = np.logical_or.accumulate(stays[:, ::-1], axis=1)[:, ::-1]
        yielding = clips.says_yields[rows[:, None], head] & ~is_before_one
        eligible &= ~(yielding & ~yielding[rows, first][:, None])
        share = np.where(eligible, loading / np.maximum(1, sharers), np.inf)
        best = share.argmin(axis=1)
        first_share = first_loading / np.maximum(1, sharers[rows, first])
        place = np.where(share[rows, best] < first_share, best, first)
        return place, loading[rows, place]

    def _next_event(self, now: Floats) -> Floats:
        """Return when an idle machine looks again: when a clip arrives, or another machine's clip ends."""
        free = self._machines.free
        others = np.where(free > now[:, None], free, np.inf).min(axis=1)
        soonest: Floats = np.minimum(others, self._queue.next_arrival())
        return soonest
