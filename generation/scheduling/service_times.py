"""How long a clip will keep a card, learned part by part from what reports say of earlier ones.

A part (a step, a voxel decoded, what is fixed, a byte loaded) has a rate: seconds for a unit of its work. Rates are
lognormal. Each is believed from general to particular: a formula, then the build, this very mode, preset and size of
it, and these on this card; every level is the prior of the next. A level keeps three numbers, in which an observation
counts less the older it is, so nothing here grows with history.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gpu_worker.contract import OFF_THE_CARD, Stage

DECAY = 0.98
"""Weight of an observation against the next one of its key: the last 50 or so decide."""
UNKNOWN_SECONDS = 20.0
"""Of a clip of which there is neither a formula nor a measurement."""
UNKNOWN_SD, FORMULA_SD = 0.9, 0.4
"""How far off such a guess, and the row's reference speed, may be: standard deviations of the logarithm."""
CLIP_SD = 0.25
"""From one clip to the next of the same kind, before anything was measured."""
LEVELS_DIFFER_SD = 0.15
"""From one kind of clip of a build to another."""
_PRIOR_CLIPS = 3.0
"""Clips that the spread believed beforehand counts as much as."""
_LEAST_SECONDS = 1e-3
_LEAST_SD = 0.02
"""A card has its own days, however alike clips were so far."""
_BYTES_PER_SECOND = 1.5 * 2**30
"""At which weights are loaded, before anything was measured."""


class Part(StrEnum):
    """What a clip's time is made of."""

    STEP = "step"
    DECODE = "decode"
    FIXED = "fixed"
    DELIVERY = "delivery"
    LOAD = "load"


FORMULA_SHARES = {Part.STEP: 0.85, Part.DECODE: 0.12, Part.FIXED: 0.03, Part.DELIVERY: 0.03}
"""Of a clip's time on a card, where only that is known. What follows that is beside it."""
ON_CARD = (Part.STEP, Part.DECODE, Part.FIXED)
_STAGES = {
    Part.STEP: (Stage.DENOISING,),
    Part.DECODE: (Stage.DECODING,),
    Part.FIXED: (Stage.ENCODING_PROMPT,),
    Part.DELIVERY: tuple(sorted(Stage(each) for each in OFF_THE_CARD)),
}


@dataclass(frozen=True, slots=True)
class Work:
    """What decides how long a clip keeps a card."""

    build: str
    mode: str
    preset: str
    card: str
    """Empty: whichever takes it."""
    steps: int
    voxels: int
    """Pixels of all frames."""
    reference_seconds: float = 0.0
    """By the row's reference speed; 0: it has none."""

    @property
    def name(self) -> str:
        """One for all clips that take alike, whichever card takes them."""
        return f"{self.build}/{self.mode}/{self.preset}/{self.steps}/{self.voxels}"

    def amount(self, part: Part) -> float:
        """Units of work of one part."""
        voxels = float(max(1, self.voxels))
        of_voxels = {Part.STEP: voxels * max(1, self.steps), Part.DECODE: voxels, Part.DELIVERY: voxels}
        return of_voxels.get(part, 1.0)

    def keys(self, part: Part) -> Iterator[str]:
        """Names of what is known of one part, from general to particular. Sizes count by halves of a doubling."""
        size = round(2 * math.log2(max(1, self.voxels)))
        kind = f"{part}/{self.build}/{self.mode}/{self.preset}/{size}"
        yield f"{part}/{self.build}"
        yield kind
        if self.card:
            yield f"{kind}/{self.card}"


@dataclass(frozen=True, slots=True)
class Spread:
    """Lognormal seconds. ``sd`` is from one clip to the next; ``doubt`` how far off all such clips may be together.
    Both are standard deviations of the logarithm."""

    median_seconds: float
    sd: float
    doubt: float = 0.0

    @property
    def mean_seconds(self) -> float:
        """What one of many such clips takes on the whole, which is more than half of them take."""
        return self.median_seconds * math.exp(self.sd**2 / 2)


NOTHING, AS_BELIEVED = Spread(0.0, 0.0), Spread(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Statistic:
    """What was observed of one rate: logarithms, by their count, mean and sum of squared deviations."""

    weight: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, rate: float) -> Statistic:
        """Return this with one more observation."""
        value = math.log(max(rate, 1e-18))
        weight = self.weight * DECAY + 1.0
        mean = self.mean + (value - self.mean) / weight
        return Statistic(weight, mean, self.squares * DECAY + (value - self.mean) * (value - mean))


@dataclass(frozen=True, slots=True)
class _Belief:
    mean: float
    sd: float
    doubt: float

    def after(self, seen: Statistic) -> _Belief:
        """Return what is believed of a more particular kind, of which so much was observed."""
        prior_variance = self.doubt**2 + LEVELS_DIFFER_SD**2
        if seen.weight <= 0:
            return _Belief(self.mean, self.sd, math.sqrt(prior_variance))
        sd = math.sqrt((seen.squares + _PRIOR_CLIPS * self.sd**2) / (seen.weight + _PRIOR_CLIPS))
        precision = 1 / prior_variance + seen.weight / max(sd, 1e-3) ** 2
        gain = 1 - 1 / (prior_variance * precision)
        return _Belief(self.mean + gain * (seen.mean - self.mean), sd, math.sqrt(1 / precision))


def observed_rates(work: Work, stage_seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the rates that one finished clip shows, by the keys of the statistics that they count to."""
    rates: dict[str, float] = {}
    for part, stages in _STAGES.items():
        seconds = sum(stage_seconds.get(stage, 0.0) for stage in stages)
        if seconds > 0:
            rate = max(seconds, _LEAST_SECONDS) / work.amount(part)
            rates |= dict.fromkeys(work.keys(part), rate)
    return rates


@dataclass(slots=True)
class ServiceTimes:
    """Rates by key. A report changes a handful of them."""

    known: dict[str, Statistic] = field(default_factory=dict)

    def learn(self, work: Work, stage_seconds: Mapping[str, float]) -> None:
        """Add what one finished clip took."""
        for key, rate in observed_rates(work, stage_seconds).items():
            self.known[key] = self.known.get(key, Statistic()).add(rate)

    def learn_load(self, card: str, loaded_bytes: int, seconds: float) -> None:
        """Add what loading so many bytes took."""
        if loaded_bytes > 0 and seconds > 0:
            key = f"{Part.LOAD}/{card}"
            self.known[key] = self.known.get(key, Statistic()).add(seconds / loaded_bytes)

    def load_seconds(self, card: str, size_bytes: int) -> float:
        """Seconds for loading so many bytes on such a card."""
        seen = self.known.get(f"{Part.LOAD}/{card}", Statistic())
        return size_bytes * math.exp(_Belief(-math.log(_BYTES_PER_SECOND), CLIP_SD, FORMULA_SD).after(seen).mean)

    def service(self, work: Work) -> Spread:
        """For how long the clip will keep a card, loading aside."""
        return together(*(self._part(work, part) for part in ON_CARD))

    def delivery(self, work: Work) -> Spread:
        """What it takes after that, beside the next one on that card, until it is ready."""
        return self._part(work, Part.DELIVERY)

    def until_ready(self, work: Work) -> Spread:
        """Both."""
        return together(self.service(work), self.delivery(work))

    def seconds_per_step(self, work: Work) -> float:
        return self._part(work, Part.STEP).median_seconds / max(1, work.steps)

    def remaining(
        self,
        work: Work,
        *,
        steps_done: int,
        seconds_per_step: float | None = None,
        since_step_seconds: float = 0.0,
        slowness: Spread = AS_BELIEVED,
    ) -> Spread:
        """For how long a clip still keeps its card whose last step ended so long ago, at the pace of its steps where
        that is known.

        Args:
            slowness: how much longer its machine takes at present than is believed.
        """
        steps = slower(self._part(work, Part.STEP), slowness)
        if seconds_per_step is not None and steps_done >= 2:
            # After a few steps the pace is the clip's own: what others took says little more.
            sd = max(_LEAST_SD, steps.sd / math.sqrt(1 + 8 * steps_done))
            steps = Spread(seconds_per_step * work.steps, sd)
        left = max(0, work.steps - steps_done) / max(1, work.steps)
        parts = (Part.DECODE,) if steps_done else (Part.DECODE, Part.FIXED)
        others = [slower(self._part(work, part), slowness) for part in parts]
        whole = together(Spread(steps.median_seconds * left, steps.sd, steps.doubt), *others)
        rest = max(0.05 * whole.median_seconds, whole.median_seconds - since_step_seconds)
        # What is past was part of the whole, and so was its doubt.
        wider = min(2.0, whole.median_seconds / max(rest, _LEAST_SECONDS))
        return Spread(rest, whole.sd * wider, whole.doubt * wider)

    def _part(self, work: Work, part: Part) -> Spread:
        guess = work.reference_seconds or UNKNOWN_SECONDS
        doubt = FORMULA_SD if work.reference_seconds else UNKNOWN_SD
        belief = _Belief(math.log(guess * FORMULA_SHARES[part] / work.amount(part)), CLIP_SD, doubt)
        for key in work.keys(part):
            belief = belief.after(self.known.get(key, Statistic()))
        return Spread(math.exp(belief.mean) * work.amount(part), max(_LEAST_SD, belief.sd), belief.doubt)


def slower(part: Spread, slowness: Spread) -> Spread:
    """Return what takes so many times as long."""
    return Spread(part.median_seconds * slowness.median_seconds, part.sd, math.hypot(part.doubt, slowness.doubt))


def together(*parts: Spread) -> Spread:
    """Return the sum of independent parts, lognormal again, by its mean and variance (Fenton and Wilkinson). Where one
    part varies so much that its median would fall below the parts' together, it is by these and its mean."""
    means = [part.mean_seconds for part in parts]
    whole = sum(means)
    if whole <= 0:
        return Spread(0.0, 0.0)
    variance = math.fsum(math.expm1(part.sd**2) * (mean / whole) ** 2 for part, mean in zip(parts, means, strict=True))
    median = max(whole / math.sqrt(1 + variance), math.fsum(part.median_seconds for part in parts))
    sd = math.sqrt(2 * max(0.0, math.log(whole / median)))
    doubt = math.hypot(*(part.doubt * mean / whole for part, mean in zip(parts, means, strict=True)))
    return Spread(median, sd, doubt)
