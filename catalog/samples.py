"""The clip by which models are compared, and what it costs with each of them, so that credits mean something."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models import AccessLevel, Model, ModelVersion
from catalog.pricing import TIERS, quote, tier_of
from catalog.selection import chosen_of
from catalog.sizes import Size

SECONDS = 5.0
TIER = "720p"


@dataclass(frozen=True, slots=True)
class Sample:
    """The price of one comparable clip. ``size`` is that of the MP4."""

    credits: int
    seconds: float
    size: Size
    preset: str

    @property
    def seconds_in_tenths(self) -> float:
        """As pages say it: "5 s" of whole frames that are a hair longer."""
        return round(self.seconds, 1)


@dataclass(frozen=True, slots=True)
class ClipPrice:
    """What the comparable clip costs with a model, by its name."""

    model: str
    sample: Sample
    is_for_payers: bool = False
    """Whether the model comes with paid plans alone."""


@dataclass(frozen=True, slots=True)
class _Clip:
    mode: str
    preset: str
    width: int
    height: int
    num_frames: int
    fps: float
    steps: int


def sample_of(version: ModelVersion) -> Sample:
    """Five seconds in 720p, or the nearest that the model makes, in its first mode and at its default preset."""
    size = min((Size.parse(text) for text in version.sizes), key=_distance)
    seconds = min(max(SECONDS, version.min_seconds), version.max_seconds)
    num_frames = version.family_facts.frames_for(seconds, version.fps)
    preset = version.default_preset
    steps = int(version.presets[preset]["steps"])
    clip = _Clip(version.modes[0], preset, size.width, size.height, num_frames, version.fps, steps)
    return Sample(quote(version, clip).credits, num_frames / version.fps, version.delivered(size), preset)


def clip_prices() -> list[ClipPrice]:
    """The comparable clip of every model that is enabled, also of one that a plan or a licence closes to some."""
    versions = [(model.name, model.current) for model in Model.objects.enabled().select_related("current")]
    return [
        ClipPrice(name, sample_of(version), is_for_payers=version.least_plan == AccessLevel.PAID)
        for name, version in versions
        if version is not None
    ]


def default_clip_price() -> ClipPrice | None:
    """The comparable clip of the model that a request gets which names none; None where no model is enabled."""
    model = chosen_of(list(Model.objects.for_people()), "")
    return ClipPrice(model.name, sample_of(model.current)) if model is not None and model.current is not None else None


def _distance(size: Size) -> tuple[int, int]:
    """How many price tiers away it is; of those that are as near, the largest is the nearest."""
    tiers = list(TIERS)
    return abs(tiers.index(tier_of(size)) - tiers.index(TIER)), -size.pixels
