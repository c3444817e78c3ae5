"""What staff sees of a model before anything else: whether it is offered, what its default clip costs and earns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max

from catalog import measurements
from catalog.models import Measurement, Model, ModelVersion
from catalog.offers import offer_with
from catalog.requests import Ask
from loremotion.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Look:
    """None where nobody knows it yet."""

    credits: int | None
    margin: float | None
    """Of the price, once the GPU is paid."""
    rendered_at: datetime | None
    """When a clip of this build was measured last."""


def of(model: Model, version: ModelVersion) -> Look:
    version.model = model
    credits = default_credits(version)
    speed = measurements.speeds([version.build]).get(version.build)
    rendered = Measurement.objects.filter(build=version.build, clips__gt=0).aggregate(at=Max("updated_at"))
    return Look(credits, default_margin(version, credits, speed), rendered["at"])


def default_credits(version: ModelVersion) -> int | None:
    """Return the price of its default clip, from words alone; None where it makes none from words."""
    try:
        return offer_with(version, Ask(prompt="a clip")).quote.credits
    except Refusal:
        return None


def default_margin(version: ModelVersion, credits: int | None, gpu_seconds_per_second: float | None) -> float | None:
    """Return what is left of that price once the GPU is paid, as a share of it; None where nobody knows."""
    if not credits or gpu_seconds_per_second is None:
        return None
    cost_dollars = gpu_seconds_per_second * version.default_seconds / 3600 * settings.GPU_DOLLARS_PER_HOUR
    return float(1 - cost_dollars / (credits * settings.CREDIT_DOLLARS))
