"""What a model can do, as data: the form, the API's list, the models page and the docs are all drawn from this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from catalog import gates, measurements
from catalog.gates import Audience
from catalog.models import Model, ModelVersion
from catalog.pricing import TIERS, quote, tier_of
from gpu_worker.families import ROLES, Mode

SAMPLE_SECONDS = 5.0
SAMPLE_TIER = "720p"


@dataclass(frozen=True, slots=True)
class Sample:
    """The price of one clip by which models can be compared: 5 seconds in 720p, or the nearest that the model makes.
    ``size`` is that of the MP4."""

    credits: int
    seconds: float
    size: str
    tier: str
    mode: str
    preset: str

    @property
    def width(self) -> int:
        return int(self.size.split("x")[0])

    @property
    def height(self) -> int:
        return int(self.size.split("x")[1])


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
    """The comparable clip of a version and its price at the default preset."""
    size = min(version.sizes, key=_distance_from_sample)
    width, height = (int(side) for side in size.split("x"))
    seconds = min(max(SAMPLE_SECONDS, version.min_seconds), version.max_seconds)
    num_frames = version.family_facts.frames_for(seconds, version.fps)
    preset = version.default_preset
    clip = _Clip(
        version.modes[0], preset, width, height, num_frames, version.fps, int(version.presets[preset]["steps"])
    )
    made_seconds = num_frames / version.fps
    return Sample(
        quote(version, clip).credits,
        made_seconds,
        version.delivered(size),
        tier_of(width, height),
        version.modes[0],
        preset,
    )


def _distance_from_sample(size: str) -> tuple[int, int]:
    width, height = (int(side) for side in size.split("x"))
    tiers = list(TIERS)
    return abs(tiers.index(tier_of(width, height)) - tiers.index(SAMPLE_TIER)), -width * height


def capabilities(version: ModelVersion) -> dict[str, Any]:
    """Plain JSON types only. Everything that a caller may ask of the model, and what it costs them."""
    family = version.family_facts
    return {
        "modes": [_mode(name, family.modes[name]) for name in version.modes],
        "sizes": version.delivered_sizes,
        "upscale": version.upscale,
        "seconds": {"min": version.min_seconds, "max": version.max_seconds, "default": version.default_seconds},
        "fps": version.fps,
        "presets": [{"name": name, "steps": int(version.presets[name]["steps"])} for name in version.preset_names],
        "default_preset": version.default_preset,
        "max_steps": version.max_steps,
        "max_prompt_characters": version.max_prompt_characters,
        "has_audio": version.has_audio,
        "prices": {
            "unit": "millicredits per second of video",
            "by_preset_and_tier": version.prices,
            "tiers_pixels": TIERS,
            "surcharges": version.surcharges,
        },
    }


def _mode(name: str, mode: Mode) -> dict[str, Any]:
    return {
        "name": name,
        "title": mode.title,
        "needs": [_role(role) for role in mode.needs],
        "accepts": [_role(role) for role in mode.accepts],
    }


def _role(name: str) -> dict[str, str]:
    return {"role": name, "title": ROLES[name].title, "kind": str(ROLES[name].kind)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One model as the list shows it."""

    model: Model
    version: ModelVersion
    sample: Sample
    gpu_seconds_per_second: float | None
    """Measured; None while nobody has made a clip with it."""
    closed: str
    """Why this caller may not use it; empty when they may."""

    @property
    def aliases(self) -> list[str]:
        return [alias.name for alias in self.model.aliases.all()]

    @property
    def is_default(self) -> bool:
        return "default" in self.aliases

    @property
    def modes(self) -> list[str]:
        return [self.version.family_facts.modes[name].title for name in self.version.modes]

    @property
    def terms(self) -> list[str]:
        return gates.in_words(self.version)


def entries(models: Sequence[Model], audience: Audience) -> list[Entry]:
    """The models in their order, each with its price, speed and whether ``audience`` may use it."""
    speeds = measurements.speeds(m.current.build for m in models if m.current is not None)
    found = []
    for model in models:
        version = model.current
        assert version is not None, "an enabled model has a version: a constraint says so"
        version.model = model
        refusal = gates.refusal(version, audience)
        found.append(
            Entry(model, version, sample_of(version), speeds.get(version.build), str(refusal) if refusal else "")
        )
    return found


def to_json(entry: Entry) -> dict[str, Any]:
    """OpenAI's Model object, with ours under ``lm``."""
    version, sample = entry.version, entry.sample
    return {
        "id": entry.model.slug,
        "object": "model",
        "created": int(version.created_at.timestamp()),
        "owned_by": version.source.split("/")[0] if "/" in version.source else "lm",
        "lm": {
            "name": entry.model.name,
            "summary": entry.model.summary,
            "aliases": entry.aliases,
            "version": version.number,
            "family": version.family,
            "capabilities": capabilities(version),
            "sample": {
                "credits": sample.credits,
                "seconds": round(sample.seconds, 3),
                "size": sample.size,
                "preset": sample.preset,
            },
            "gpu_seconds_per_second": entry.gpu_seconds_per_second,
            "licence": {
                "name": version.licence,
                "url": version.licence_url or None,
                "attribution": version.attribution or None,
                "blocked_territories": version.blocked_territories,
                "terms": entry.terms,
            },
            "offered_to": version.least_plan,
            "is_available": not entry.closed,
            "unavailable_because": entry.closed or None,
        },
    }
