"""What a model can do, as data: the form, the API's list, the models page and the docs are all drawn from this."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from catalog import gates, measurements
from catalog.gates import Audience
from catalog.models import Model, ModelVersion
from catalog.pricing import TIERS
from catalog.samples import Sample, sample_of
from gpu_worker.families import ROLES, Mode


def capabilities(version: ModelVersion) -> dict[str, Any]:
    """Plain JSON types only. Everything that a caller may ask of the model, and what it costs them."""
    family = version.family_facts
    return {
        "modes": [_mode(name, family.modes[name]) for name in version.modes],
        "sizes": version.delivered_sizes,
        "upscale": version.upscale,
        "seconds": {"min": version.min_seconds, "max": version.max_seconds, "default": version.default_seconds},
        "fps": version.fps,
        "presets": [_preset(name, version) for name in version.preset_names],
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


def _preset(name: str, version: ModelVersion) -> dict[str, Any]:
    return {
        "name": name,
        "steps": int(version.presets[name]["steps"]),
        "max_prompt_tokens": version.most_prompt_tokens(name),
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


class Origins(NamedTuple):
    """Whose machines make the clips of some models: what pages may promise of them."""

    has_open: bool
    """Whether one has open weights, which our own GPUs run."""
    has_remote: bool
    """Whether one is a provider's."""


def origins_of(versions: Iterable[ModelVersion]) -> Origins:
    remote = {version.family_facts.is_remote for version in versions}
    return Origins(has_open=False in remote, has_remote=True in remote)


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
        return self.model.alias_names

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
                "size": str(sample.size),
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
