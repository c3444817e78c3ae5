"""The clips of a simulated queue, in every future: those of the snapshot, and those that will come."""

from __future__ import annotations

import math

import numpy as np

from generation.scheduling import arrivals
from generation.scheduling.futures import Flags, Floats, Ints, draw_seconds
from generation.scheduling.simulated_machines import SimulatedMachines
from generation.scheduling.snapshot import Snapshot
from generation.tiers import MOST_PASSES, yields


class SimulatedClips:
    """Rows are futures. Columns are clips: the window's, the queue's, those that will come, and nobody."""

    def __init__(
        self, snapshot: Snapshot, machines: SimulatedMachines, random: np.random.Generator, plays: int
    ) -> None:
        clips = [*snapshot.window, *snapshot.queue]
        self.known = len(clips)
        """How many are the snapshot's."""
        coming = self._draw_arrivals(snapshot, random, plays)
        kinds = snapshot.arrivals.kinds
        index = {build: number for number, build in enumerate(machines.builds)}
        builds = np.array([index[clip.build] for clip in clips], dtype=np.int64)
        kind_builds = np.array([index[kind.build] for kind in kinds] or [0], dtype=np.int64)

        def columns(known: Floats, of_kinds: Floats, nobody: float) -> Floats:
            known = np.broadcast_to(known, (plays, len(clips)))
            return np.concatenate([known, of_kinds[coming], np.full((plays, 1), nobody)], axis=1)

        self.build: Ints = np.concatenate(
            [np.broadcast_to(builds, (plays, len(clips))), kind_builds[coming], np.zeros((plays, 1), np.int64)], axis=1
        )
        spreads = [clip.service for clip in clips]
        medians = [kind.service.median_seconds for kind in kinds] or [0.0]
        noise = np.array([math.hypot(kind.service.sd, kind.service.doubt) for kind in kinds] or [0.0])
        self.typical = columns(np.array([each.median_seconds for each in spreads]), np.array(medians), 0.0)
        """Seconds on a card, as the worker believes them."""
        self.service = columns(draw_seconds(random, spreads, list(builds), plays), np.array(medians), 0.0)
        """The same, as they are."""
        self.service[:, len(clips) : -1] *= np.exp(noise[coming] * random.standard_normal(coming.shape))
        levels = np.array([machines.level_of(clip.needs_bytes) for clip in clips], dtype=float)
        of_kinds = np.array([float(machines.level_of(kind.needs_bytes)) for kind in kinds] or [0.0])
        self.level = columns(levels, of_kinds, 1e9)
        """The smallest machine that holds it."""
        self.tag = columns(
            np.array([clip.tag for clip in clips]), np.array([k.above_clock for k in kinds] or [0.0]), np.inf
        )
        """Of one that has not come yet, less the clock."""
        nothing = np.zeros(max(1, len(kinds)))
        self.entered = columns(np.array([-clip.waited_seconds for clip in clips]), nothing, 0.0)
        self.skips = columns(np.array([float(clip.skips) for clip in clips]), nothing, 0.0)
        self.passes = columns(np.array([float(clip.passes) for clip in clips]), nothing, 0.0)
        self.yields: Flags = columns(
            np.array([float(yields(clip.tag)) for clip in clips]),
            np.array([float(kind.is_free) for kind in kinds] or [0.0]),
            0.0,
        ).astype(bool)
        # A job's message still says so once its clip is passed often enough and yields no more.
        self.says_yields = self.yields.copy()
        self.says_yields[:, : len(clips)] |= np.array([clip.passes >= MOST_PASSES for clip in clips], dtype=bool)
        self.nobody = self.build.shape[1] - 1
        self.times_aside = np.array([*(clip.times_aside for clip in clips), *[0] * (coming.shape[1] + 1)])
        self.is_wanted = np.array([*(not clip.is_probe for clip in clips), *[True] * coming.shape[1], False])
        """Whether anybody asked for it, or will."""

    def _draw_arrivals(self, snapshot: Snapshot, random: np.random.Generator, plays: int) -> Ints:
        """Draw who comes while the snapshot's clips are played, and return their kinds, one column each."""
        seconds = sum(clip.service.median_seconds for clip in (*snapshot.window, *snapshot.queue))
        span_seconds = 3 * seconds / max(1, len(snapshot.machines)) + 120
        kinds, times = arrivals.draw(snapshot.arrivals, random, plays, span_seconds)
        self.arrive: Floats = np.concatenate([times, np.full((plays, 1), np.inf)], axis=1)
        """When each that will come does, and after them nobody."""
        return kinds
