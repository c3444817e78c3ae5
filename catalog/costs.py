"""What a clip ought to cost: one formula from how fast a model is said to run to its prices.

``GPU seconds × GPU_DOLLARS_PER_HOUR ÷ 3600 ÷ (1 − MARGIN) ÷ CREDIT_DOLLARS``, in thousandths of a credit for each
second of video, rounded up to two digits. Nobody has measured every preset in every size, so GPU seconds are carried
over from the one figure that a row names as its ``reference_speed``:

- in proportion to the steps,
- to the pixels of one pass to the power of ``GROWTH``, and to the passes of a clip,
- to the card's own pace.

A row's prices may differ; the admin shows both beside the margin. Once clips are made, what was measured counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, log10
from typing import Any

from django.conf import settings

from catalog.models import ModelVersion
from catalog.pricing import TIERS, tier_of
from catalog.sizes import Size
from gpu_worker.families.numbers import number_problem

MARGIN = 0.6
"""Part of the price that is to be left when the GPU is paid: for idle cards, failed clips, storage and everything."""
GROWTH = 1.125
"""Attention makes large clips dearer than in proportion. Of CogVideoX-5B and 1.5, which have the same transformer, the
one makes 49 frames of 720x480 in 90 s, the other 81 of 1360x768 in 550 s on an H100: 5.0 times the pixels in 6.1 times
the time (CogVideo's README)."""
PACE = {"H100": 1.0, "A100": 0.5, "4090": 0.17}
"""A card's speed beside an H100's. A100: half, for CogVideoX (its README). 4090: 5.18 against 30.5 s a step for Wan 14B
(LightX2V's README)."""

_FIELDS = {"gpu_seconds", "card", "size", "frames", "steps", "source"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSpeed:
    """One figure of one model: ``frames`` of ``size`` in ``steps`` took a ``card`` ``gpu_seconds``, says ``source``."""

    gpu_seconds: float
    card: str
    size: str
    frames: int
    steps: int
    source: str


@dataclass(frozen=True, slots=True)
class Worth:
    """What one preset costs and brings in one tier, for a second of video in the largest size of the tier."""

    preset: str
    tier: str
    size: str
    gpu_seconds: float
    cost_dollars: float
    suggested_millicredits: int
    millicredits: int | None
    """Its price as it is; None where it has none."""

    @property
    def margin(self) -> float | None:
        """The share of the price that is left; negative: a loss."""
        if not self.millicredits:
            return None
        return float(1 - self.cost_dollars / (self.millicredits / 1000 * settings.CREDIT_DOLLARS))


def reference_problems(said: Any) -> Iterator[str]:
    """What is wrong with a ``reference_speed``; nothing with an empty one."""
    if said == {}:
        return
    if not isinstance(said, Mapping) or set(said) != _FIELDS:
        yield f"Write exactly these: {', '.join(sorted(_FIELDS))}."
        return
    yield from (f"{name}: {problem}" for name, problem in reference_part_problems(said).items())


def reference_part_problems(said: Mapping[str, Any]) -> dict[str, str]:
    """Part of a ``reference_speed`` that is not empty → what is wrong with it, or that it is missing."""
    found = dict.fromkeys(sorted(_FIELDS - set(said)), "Fill in all of them, or none.") if said else {}
    if "card" in said and (not isinstance(said["card"], str) or said["card"] not in PACE):
        found["card"] = f"one of {', '.join(PACE)}; the pace of others is not known."
    if "size" in said:
        try:
            Size.parse(str(said["size"]))
        except ValueError as error:
            found["size"] = str(error)
    for name in ("gpu_seconds", "frames", "steps"):
        is_whole = name != "gpu_seconds"
        if name in said and (
            problem := number_problem(said[name], least=1 if is_whole else 0.001, most=10**7, is_whole=is_whole)
        ):
            found[name] = problem
    if "source" in said and (not isinstance(said["source"], str) or not said["source"].strip()):
        found["source"] = "where the figure comes from, so that it can be looked up."
    return found


def reference_of(version: ModelVersion) -> ReferenceSpeed | None:
    """The row's own figure, or None where it names none."""
    return ReferenceSpeed(**version.reference_speed) if version.reference_speed else None


def worths(version: ModelVersion) -> list[Worth]:
    """Every preset in every tier of the version, the quickest first, by its reference speed, if it names one."""
    speed = reference_of(version)
    if speed is None:
        return []
    presets = sorted(version.presets, key=version.preset_order)
    return [_worth(version, speed, preset, tier) for preset in presets for tier in _largest_sizes(version)]


def suggested_prices(version: ModelVersion) -> dict[str, dict[str, int]]:
    """Return the price list that the reference speed suggests; empty where the version names none."""
    prices: dict[str, dict[str, int]] = {}
    for worth in worths(version):
        prices.setdefault(worth.preset, {})[worth.tier] = worth.suggested_millicredits
    return prices


def _worth(version: ModelVersion, speed: ReferenceSpeed, preset: str, tier: str) -> Worth:
    size = _largest_sizes(version)[tier]
    seconds = gpu_seconds(version, speed, size=size, steps=int(version.presets[preset]["steps"]))
    cost_dollars = seconds / 3600 * settings.GPU_DOLLARS_PER_HOUR
    millicredits = 1000 * cost_dollars / (1 - MARGIN) / settings.CREDIT_DOLLARS
    price = version.prices.get(preset, {}).get(tier)
    return Worth(preset, tier, str(size), seconds, cost_dollars, _rounded_up(millicredits), price)


def gpu_seconds(version: ModelVersion, speed: ReferenceSpeed, *, size: Size, steps: int) -> float:
    """H100 seconds for one second of video, in a clip of the version's default length."""
    frames = version.family_facts.frames_for(version.default_seconds, version.fps)
    clip_seconds = PACE[speed.card] * _clip_seconds(version, speed, size=size, frames=frames, steps=steps)
    return clip_seconds / (frames / version.fps)


def reference_gpu_seconds(version: ModelVersion, *, size: Size, frames: int, steps: int) -> float:
    """Seconds that one clip takes the card of the version's reference speed; 0 where it names none."""
    speed = reference_of(version)
    return 0.0 if speed is None else _clip_seconds(version, speed, size=size, frames=frames, steps=steps)


def _clip_seconds(version: ModelVersion, speed: ReferenceSpeed, *, size: Size, frames: int, steps: int) -> float:
    work = _work(version, size, frames) / _work(version, Size.parse(speed.size), speed.frames)
    return speed.gpu_seconds * work * steps / speed.steps


def _work(version: ModelVersion, size: Size, frames: int) -> float:
    passes = version.family_facts.passes(frames)
    return float(passes * (size.pixels * frames / passes) ** GROWTH)


def _largest_sizes(version: ModelVersion) -> dict[str, Size]:
    """Tier → the version's largest size in it, ascending."""
    by_size = sorted((Size.parse(size) for size in version.sizes), key=lambda size: size.pixels)
    by_tier = {tier_of(size): size for size in by_size}  # the last of a tier stays
    return {tier: by_tier[tier] for tier in TIERS if tier in by_tier}


def _rounded_up(millicredits: float) -> int:
    """A price: rounded up to two digits."""
    unit: int = 10 ** max(0, int(log10(max(millicredits, 1))) - 1)
    return max(1, ceil(millicredits / unit) * unit)
