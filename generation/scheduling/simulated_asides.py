"""Long renders that step aside, in every future of a simulated queue: see ``gpu_worker.step_aside``.

A machine that may let short clips pass looks at the line whenever something has happened there, instead of being busy
until its clip is ready. Rows are futures, columns are machines.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from generation.scheduling.futures import Flags, Floats, Ints, draw_seconds
from generation.scheduling.passing import COSTS_SECONDS, tags_of
from generation.scheduling.service_times import Spread
from generation.scheduling.simulated_machines import SimulatedMachines
from generation.scheduling.snapshot import Snapshot
from generation.tiers import yields

LOOK_SECONDS = 5.0
"""Shortest time between two looks of one machine."""
_LEAST_SECONDS = 1e-6


class SimulatedAsides:
    """What each machine holds that may step aside, or has. ``on_ready`` is told of each clip of the simulation that is
    ready: futures, clips and when."""

    def __init__(
        self,
        snapshot: Snapshot,
        machines: SimulatedMachines,
        random: np.random.Generator,
        plays: int,
        on_ready: Callable[[Ints, Ints, Floats], None],
    ) -> None:
        self._machines, self._on_ready, self._rows = machines, on_ready, np.arange(plays)
        policies = [machine.aside for machine in snapshot.machines]
        self.is_known = any(policy.times for policy in policies)
        """Whether any machine lets others pass."""
        self._most = np.array([policy.times for policy in policies])
        self._pass_seconds = np.array([policy.seconds for policy in policies])
        self._least_left = np.array([policy.least_left_seconds for policy in policies])
        self._gain = np.array([policy.gain for policy in policies])
        self._share = np.array([policy.share for policy in policies])
        shape = plays, len(policies)
        self._holds: Flags = np.zeros(shape, dtype=bool)
        self._is_paused: Flags = np.zeros(shape, dtype=bool)
        self._left: Floats = np.zeros(shape)
        self._since: Floats = np.zeros(shape)
        """From when what is left counts down, while it is made."""
        self._until: Floats = np.zeros(shape)
        """So long others go before what is paused."""
        self._times: Ints = np.zeros(shape, dtype=np.int64)
        self._clip: Ints = np.full(shape, -1)
        """The clip of the simulation; -1: what the machine had in hand from the start."""
        self._build: Ints = np.zeros(shape, dtype=np.int64)
        self._is_free: Flags = np.zeros(shape, dtype=bool)
        self._known = len(snapshot.window) + len(snapshot.queue)
        self.hand_start: Floats = np.zeros(shape)
        self.hand_ready: Floats = np.full(shape, np.inf)
        """Of what machines had in hand from the start, or aside."""
        self._pass_tags = np.array(tags_of(snapshot))
        self._are_free = np.array([yields(tag) for tag in self._pass_tags])
        self.pass_at: Floats = np.full((plays, len(self._pass_tags), len(COSTS_SECONDS)), np.inf)
        """When whoever is not in line yet would go first: see ``passing``."""
        if self.is_known:
            self._place(snapshot, random, plays)

    def _place(self, snapshot: Snapshot, random: np.random.Generator, plays: int) -> None:
        hands = [machine.in_hand or machine.held for machine in snapshot.machines]
        remaining = draw_seconds(
            random, [each.remaining if each else Spread(0.0, 0.0) for each in hands], range(len(hands)), plays
        )
        for column, (machine, hand) in enumerate(zip(snapshot.machines, hands, strict=True)):
            if hand is None or not machine.aside.times or hand.build not in snapshot.builds:
                continue
            self._holds[:, column], self._left[:, column] = True, remaining[:, column]
            self._times[:, column], self._is_free[:, column] = hand.times_aside, hand.is_free
            self._build[:, column] = self._machines.builds.index(hand.build)
            if machine.in_hand is None:
                self._is_paused[:, column], self._until[:, column] = True, hand.passes_for_seconds
                self.hand_start[:, column] = np.nan
            self._machines.free[:, column] = 0.0

    def finish_due(self, machine: Ints, now: Floats) -> None:
        """Have ready what each machine makes and nothing is left of. Call it before asking what it holds."""
        at = self._rows, machine
        is_over = self._holds[at] & ~self._is_paused[at] & (self._left_of(machine, now) <= _LEAST_SECONDS)
        self._finish(is_over, machine, self._since[at] + self._left[at])

    def holds(self, machine: Ints) -> Flags:
        """Return where the machine holds a clip that may step aside, or has."""
        held: Flags = self._holds[self._rows, machine]
        return held

    def note_passing(self, machine: Ints, now: Floats, waiting: Floats) -> None:
        """Note which new clips would go before what each machine holds, if they were there now.

        Args:
            waiting: tags of clips in line that this machine can hold, in any order; infinite where there is none.
        """
        at = self._rows, machine
        left = self._left_of(machine, now)
        may_again = np.where(self._is_paused[at], now < self._until[at], self._times[at] < self._most[machine])
        lets = self._holds[at] & may_again & (left >= self._least_left[machine]) & np.isfinite(now)
        if not lets.any():
            return
        is_next = (waiting.min(axis=1, initial=np.inf)[:, None] > self._pass_tags) & lets[:, None]
        is_next &= ~self._are_free | self._is_free[at][:, None]
        passes = is_next[:, :, None] & self._is_little(machine, left, np.array([COSTS_SECONDS]))[:, None, :]
        np.minimum(self.pass_at, np.where(passes, now[:, None, None], np.inf), out=self.pass_at)

    def _is_little(self, machine: Ints, left: Floats, seconds: Floats) -> Flags:
        """Return whether what takes so long, loading there and back included, is little enough against what is left:
        one row a future."""
        at = self._rows, machine
        times = self._times[at] + ~self._is_paused[at]  # with this one
        aside = times[:, None] * (self._pass_seconds[machine][:, None] + seconds)
        is_short = left[:, None] >= self._gain[machine][:, None] * seconds
        little: Flags = is_short & (aside <= (self._share[machine] * left)[:, None])
        return little

    def _left_of(self, machine: Ints, now: Floats) -> Floats:
        """Return what is left of what each machine holds."""
        at = self._rows, machine
        is_made = self._holds[at] & ~self._is_paused[at]
        left: Floats = self._left[at] - np.where(is_made, np.maximum(0.0, now - self._since[at]), 0.0)
        return left

    def look(self, machine: Ints, now: Floats, first: tuple[Flags, Floats, Floats, Flags], next_event: Floats) -> Flags:
        """Let each machine go on with what it holds, or let the first one go before it.

        Args:
            first: whether there is one that may go before others, its seconds without loading, those of its loading,
                and whether it is free.

        Returns:
            Where the machine goes on; elsewhere it takes the next.
        """
        rows = self._rows
        at = rows, machine
        is_there, seconds, loading, is_free = first
        left = self._left_of(machine, now)
        holds, paused = self._holds[at], self._is_paused[at]
        is_short = holds & is_there & ~(is_free & ~self._is_free[at]) & (left >= self._least_left[machine])
        is_short &= self._is_little(machine, left, (seconds + 2 * loading)[:, None])[:, 0]
        passes = is_short & np.where(paused, now < self._until[at], self._times[at] < self._most[machine])
        begins = passes & ~paused
        self._left[at] = np.where(holds, left, 0.0)
        self._until[at] = np.where(begins, now + self._pass_seconds[machine], self._until[at])
        self._times[at] += begins
        self._is_paused[at] |= begins
        goes_on = holds & ~passes
        # One whose time to go first is over goes first at the next look.
        self._go_on(goes_on, machine, now, np.where(is_short, now, next_event))
        return goes_on

    def begin(
        self, clip: Ints, machine: Ints, begun: Floats, seconds: Floats, build: Ints, is_free: Flags, is_made: Flags
    ) -> None:
        """Have each machine hold what it has just taken, where that takes long enough to step aside.

        Args:
            begun: when it has loaded.
        """
        holds = is_made & (self._most[machine] > 0) & (seconds >= self._least_left[machine])
        holds &= ~self._holds[self._rows, machine]
        at = self._rows[holds], machine[holds]
        self._holds[at], self._is_paused[at], self._times[at] = True, False, 0
        self._clip[at], self._left[at], self._since[at] = clip[holds], seconds[holds], begun[holds]
        self._build[at], self._is_free[at] = build[holds], is_free[holds]
        self._machines.free[at] = self._since[at] + LOOK_SECONDS

    @property
    def is_open(self) -> bool:
        """Whether in some future a machine holds a clip of the snapshot."""
        return bool((self._holds & (self._clip < self._known)).any())

    def end(self) -> None:
        """Say when everything is ready that is still held, if no other goes before it."""
        free = self._machines.free
        ends = np.where(self._is_paused, free, np.maximum(self._since, 0.0)) + self._left
        for column in range(self._holds.shape[1]):
            number = np.full(len(self._rows), column)
            held = self._holds[:, column].copy()
            begun = ends[:, column] - self._left[:, column]
            is_new = np.isnan(self.hand_start[:, column])
            self.hand_start[:, column] = np.where(is_new, begun, self.hand_start[:, column])
            free[held, column] = ends[held, column]
            self._finish(held, number, ends[:, column])

    def _go_on(self, goes_on: Flags, machine: Ints, now: Floats, next_event: Floats) -> None:
        at = self._rows, machine
        resumes = goes_on & self._is_paused[at]
        back = np.where(resumes, self._machines.loading_seconds(machine)[self._rows, self._build[at]], 0.0)
        self._machines.keep_residents(machine, self._build[at], now, resumes)
        begins_hand = resumes & np.isnan(self.hand_start[at])
        self.hand_start[at] = np.where(begins_hand, now, self.hand_start[at])
        self._is_paused[at] &= ~resumes
        self._since[at] = np.where(goes_on, now + back, self._since[at])
        end = self._since[at] + self._left[at]
        may_again = (self._times[at] < self._most[machine]) & (self._left[at] >= self._least_left[machine])
        soon = np.where(may_again, np.maximum(next_event, self._since[at] + LOOK_SECONDS), np.inf)
        self._machines.free[at] = np.where(goes_on, np.minimum(end, soon), self._machines.free[at])

    def _finish(self, is_over: Flags, machine: Ints, at_seconds: Floats) -> None:
        rows, machine = self._rows[is_over], machine[is_over]
        clip, ready = self._clip[rows, machine], at_seconds[is_over]
        is_hand = clip < 0
        self.hand_ready[rows[is_hand], machine[is_hand]] = ready[is_hand]
        self._on_ready(rows[~is_hand], clip[~is_hand], ready[~is_hand])
        self._holds[rows, machine] = self._is_paused[rows, machine] = False
        self._left[rows, machine] = 0.0
