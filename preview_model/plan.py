"""The plan of a training run: what is drawn, how it is looked at, and how fast is learnt, step by step.

Two parts. First the model learns to draw one kind of object sharply, nearly always at the same place. From
``Plan.wide_from`` on, seeds decide, there are pairs, and some clips go on from a picture. In the other order chance is
not followed: while nothing is sharp, what the seed says is of no use, and the model learns not to hear it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from preview_model.recipe import NUM_FRAMES
from preview_model.scene import Scene, is_visible


class Look(NamedTuple):
    """What of its clips a step sees."""

    since_step: int
    batch: int
    frames: int
    """How many frames of each clip beside the first are drawn ..."""
    patches_of_frames: int | None
    """... and how many frames' worth of their patches are seen, by their weight in the loss. None: all."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A training run. The same plan gives the same weights on machines of a kind, however often it was interrupted.

    It is what the shipped weights were found by, without the detours. Run from nothing, it makes weights that hold
    every bar of the exam of 200 prompts: ``docs/preview-model.md`` tells every run.
    """

    reading_steps: int = 2500
    wide_from: int = 2000
    steps: int = 6350
    looks: tuple[Look, ...] = (
        Look(0, 32, 4, 1), Look(2000, 48, 4, 1), Look(5500, 14, NUM_FRAMES - 1, 8), Look(6100, 8, NUM_FRAMES - 1, None),
    )  # fmt: skip
    """How training looks at clips, from which step on."""
    muon_rate: float = 0.012
    adam_rate: float = 1.2e-3
    schedule: tuple[tuple[int, float], ...] = (
        (0, 0.0), (50, 1.0), (2000, 1.0), (2001, 0.03), (2030, 1.0), (3000, 1.0), (5500, 0.3), (6100, 0.05),
        (6350, 0.01),
    )  # fmt: skip
    """(step, share of the two rates): straight lines between these points."""
    narrow_chance: float = 0.2
    """How much chance decides before ``wide_from``; then half of all it may, growing to all of it."""
    whole_chance_after: int = 200
    """Steps from ``wide_from`` until it decides all it may."""
    pure_noise_rate: float = 0.65
    sampled_rate: float = 0.25
    """Share of the examples at the other timesteps that sampling by the recipe visits; the rest are at any."""
    anything_rate: float = 0.02
    averaging: float = 0.985
    clip_norm: float = 0.5
    pair_rate: float = 0.25
    """Share of the scenes with two different objects."""
    picture_rate: float = 0.55
    """Share of the examples whose first frame is given, in the end."""
    pictures_after: tuple[int, int] = (500, 1000)
    """The steps from ``wide_from`` between which their share grows from none."""
    worn_rate: float = 0.4
    """Share of the given pictures that come as the site's clips end: with a watermark, out of an MP4."""
    nameless_rate: float = 0.5
    """Share of the given pictures whose caption only says how they are to move."""
    other_picture_rate: float = 0.1
    """Share of the given pictures whose caption is of other things than they show, moving alike: the picture is
    right. At 0.8 the model learnt to heed no caption and drew circles; captions that are true help it."""
    seed: int = 0
    start: str = ""
    """Folder of a trained pipeline of the same size, to go on from at ``wide_from``; none: from nothing."""

    @staticmethod
    def preference(scene: Scene) -> float:
        """How likely a drawn scene is to be trained on. Points that turn are hardest, then points, then corners."""
        has_points = any(thing.shape == "star" for thing in scene.things)
        if scene.motion == "spinning" and is_visible(scene):
            return 1.0 if has_points else 1 / 2
        return 1 / 3 if has_points else 1 / 6 if scene.shape == "square" else 1 / 16

    def look(self, step: int) -> Look:
        """How ``step`` looks at its clips."""
        return next(look for look in reversed(self.looks) if look.since_step <= step)

    def share_of_rates(self, step: int) -> float:
        """By how much ``schedule`` scales the rates at ``step``."""
        steps, shares = [s for s, _ in self.schedule], [share for _, share in self.schedule]
        return float(np.interp(step, steps, shares))

    def share_of_pairs(self, step: int) -> float:
        """The share of the scenes with two different objects at ``step``."""
        return self.pair_rate if step >= self.wide_from else 0.0

    def share_of_pictures(self, step: int) -> float:
        """The share of the examples whose first frame is given at ``step``."""
        return float(np.interp(step - self.wide_from, self.pictures_after, (0, self.picture_rate)))

    def share_of_chance(self, step: int) -> float:
        """How much chance decides at ``step``, as a share of what it decides in the end."""
        if step < self.wide_from:
            return self.narrow_chance
        return float(np.interp(step - self.wide_from, (0, self.whole_chance_after), (0.5, 1)))
