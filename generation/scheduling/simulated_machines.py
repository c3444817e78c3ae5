"""The machines of a simulated queue: what lies on their cards, when each is free, and which are lost for a while."""

from __future__ import annotations

import numpy as np

from generation.scheduling.futures import Flags, Floats, Ints, draw_seconds
from generation.scheduling.service_times import Spread
from generation.scheduling.snapshot import Snapshot
from gpu_worker.valkey_names import WORKER_DEAD_AFTER_SECONDS


class SimulatedMachines:
    """The machines of one snapshot in every future: rows are futures, columns are machines."""

    def __init__(self, snapshot: Snapshot, random: np.random.Generator, plays: int) -> None:
        machines = snapshot.machines
        self._snapshot, self._random, self._plays = snapshot, random, plays
        self._rows = np.arange(plays)
        self.builds = sorted(snapshot.builds)
        """Names of builds. Elsewhere a build is its number in this list."""
        self.levels = sorted({machine.budget_bytes for machine in machines})
        """The budgets that occur. A machine's level is the number of its budget in this list."""
        self.level = np.array([self.levels.index(machine.budget_bytes) for machine in machines])
        self.slowness = draw_seconds(random, [machine.slowness for machine in machines], range(len(machines)), plays)
        """Seconds on each machine for each that is believed."""
        self._budget = np.array([float(machine.budget_bytes) for machine in machines])
        self._place_components()
        nothing = Spread(0.0, 0.0)
        busy = [machine.in_hand.remaining if machine.in_hand else machine.away or nothing for machine in machines]
        self.free: Floats = draw_seconds(random, busy, range(len(busy)), plays)
        """When each machine is free, in seconds from now."""
        self._place_outages()

    def level_of(self, needs_bytes: int) -> int:
        """Return the number of the smallest budget that holds so much, or of the largest where none does."""
        return next((n for n, size in enumerate(self.levels) if size >= needs_bytes), len(self.levels) - 1)

    def is_here(self, machine: Ints, now: Floats) -> Flags:
        """Return in which futures the machine has not been lost by now."""
        here: Flags = self._lost_at[self._rows, machine] > now
        return here

    def loading_seconds(self, machine: Ints) -> Floats:
        """Return what the machine has to load for each build, one column a build."""
        absent = np.isneginf(self._stamps[self._rows, machine])
        seconds: Floats = (absent * self._load) @ self._needs.T
        return seconds

    def end_after_losses(self, machine: Ints, took: Floats, end: Floats) -> Floats:
        """Return when what the machines make is ready, due at ``end`` after ``took`` seconds.

        A machine that is lost before then stays away until it is back, and the next that is free makes its clip again.
        """
        rows = np.flatnonzero(self._lost_at[self._rows, machine] < end)
        if not len(rows):
            return end
        lost, end = machine[rows], end.copy()
        heard = self._lost_at[rows, lost] + WORKER_DEAD_AFTER_SECONDS
        self.free[rows, lost] = np.maximum(heard, self._back_at[rows, lost])
        self._lost_at[rows, lost] = np.inf
        other = self.free[rows].argmin(axis=1)
        again = np.maximum(heard, self.free[rows, other]) + took[rows]
        self.free[rows, other] = end[rows] = again
        return end

    def keep_residents(self, machine: Ints, build: Ints, now: Floats, is_made: Flags) -> None:
        """Mark what a build needs as resident and newest where a clip of it is made, and evict the least recently
        used."""
        needed = self._needs[build] & is_made[:, None]
        stamps = np.where(needed, now[:, None] + 1.0 + self._turn[build], self._stamps[self._rows, machine])
        newest = np.argsort(-stamps, axis=1, kind="stable")
        there = ~np.isneginf(stamps)
        sizes = np.take_along_axis(self._bytes * there, newest, axis=1).cumsum(axis=1)
        keeps = np.empty_like(there)
        np.put_along_axis(keeps, newest, sizes <= self._budget[machine][:, None], axis=1)
        self._stamps[self._rows, machine] = np.where(keeps | needed, stamps, -np.inf)

    def _place_components(self) -> None:
        """Stamp the components on each card with their last use; what is not there has the stamp minus infinity."""
        snapshot, machines = self._snapshot, self._snapshot.machines
        keys = sorted(snapshot.components)
        self._load = np.array([snapshot.components[key].load_seconds for key in keys])
        self._bytes = np.array([float(snapshot.components[key].size_bytes) for key in keys])
        needs = [[key in snapshot.builds[build] for key in keys] for build in self.builds]
        self._needs: Flags = np.array(needs, dtype=bool).reshape(len(self.builds), len(keys))
        self._turn = np.zeros(self._needs.shape)  # what a build uses first is least recently used first
        for row, build in enumerate(self.builds):
            for turn, key in enumerate(snapshot.builds[build]):
                self._turn[row, keys.index(key)] = turn * 1e-6
        stamps = np.full((len(machines), len(keys)), -np.inf)
        for row, machine in enumerate(machines):
            for age, key in enumerate(each for each in machine.residents if each in snapshot.components):
                stamps[row, keys.index(key)] = age - len(machine.residents)
        self._stamps: Floats = np.repeat(stamps[None], self._plays, axis=0)

    def _place_outages(self) -> None:
        """Draw when each machine is lost, at most once in a future, and until when."""
        outages, machines = self._snapshot.outages, self._snapshot.machines
        self._lost_at: Floats = np.full(self.free.shape, np.inf)
        if not outages.per_second:
            return
        here_from = np.where([machine.away is not None for machine in machines], self.free, 0.0)
        self._lost_at = here_from + self._random.standard_exponential(self.free.shape) / outages.per_second
        lasts = draw_seconds(self._random, [outages.lasts] * len(machines), range(len(machines)), self._plays)
        self._back_at = self._lost_at + lasts
        for column, machine in enumerate(machines):
            if machine.in_hand:
                number = np.full(self._plays, column)
                self.end_after_losses(number, self.free[:, column].copy(), self.free[:, column].copy())
