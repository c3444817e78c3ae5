"""Whether the prices of a version are prices at all, and whether none is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from catalog.columns import Problem
from catalog.models import ModelVersion
from catalog.pricing import AUDIO, TIERS, tiers_of
from gpu_worker.families.numbers import number_problem

MOST_MILLICREDITS = 10**12
"""For a second of video: a thousand million credits. Far beyond it a clip costs more than the ledger can count."""


def shape_problems(version: ModelVersion) -> Iterator[Problem]:
    """What is no price, by field."""
    yield from _prices(version)
    yield from _surcharges(version)


def _prices(version: ModelVersion) -> Iterator[Problem]:
    prices = version.prices
    if not isinstance(prices, dict) or not all(isinstance(row, dict) for row in prices.values()):
        yield "prices", "Write one line for each preset: `standard: {480p: 1500, 720p: 3000}`."
        return
    for preset, row in prices.items():
        for tier, price in row.items():
            if tier not in TIERS:
                yield "prices", f"{preset}: {tier!r} is not a price tier. There are: {', '.join(TIERS)}."
            elif problem := _price_problem(price):
                yield "prices", f"{preset}, {tier}: {problem}"


def _price_problem(price: Any) -> str | None:
    problem = number_problem(price, least=1, most=MOST_MILLICREDITS, is_whole=True)
    return problem and f"in thousandths of a credit, {problem}"


def cell_problems(version: ModelVersion) -> dict[tuple[str, str], str]:
    """Preset and tier → what is wrong with the price there, in few words. The presets and sizes are right."""
    found: dict[tuple[str, str], str] = {}
    for preset in version.presets:
        row = version.prices.get(preset, {})
        found |= {(preset, tier): "There is no price." for tier in _missing(version, preset)}
        found |= {
            (preset, tier): f"Less than for {smaller}." for smaller, tier in _falls(row) if (preset, tier) not in found
        }
        found |= {(preset, tier): "Write a whole number above 0." for tier in row if _price_problem(row[tier])}
    return found


def _missing(version: ModelVersion, preset: str) -> list[str]:
    """Tiers of the version's sizes in which ``preset`` has no price."""
    return [tier for tier in tiers_of(version.sizes) if tier not in version.prices.get(preset, {})]


def _falls(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a tier and the next larger one that has a price, where that one's price is less."""
    priced = [tier for tier in TIERS if tier in row and _price_problem(row[tier]) is None]
    return [(smaller, larger) for smaller, larger in pairwise(priced) if row[larger] < row[smaller]]


def _surcharges(version: ModelVersion) -> Iterator[Problem]:
    if not isinstance(version.surcharges, dict):
        yield "surcharges", "Write one line for each: `audio: 300`."
        return
    for name, price in version.surcharges.items():
        if problem := _price_problem(price):
            yield "surcharges", f"{name}: {problem}"


def gaps(version: ModelVersion) -> Iterator[Problem]:
    """Prices that are missing, that fall where they must rise, or that are of nothing. Their shapes are right."""
    yield from _every_price_is_there(version)
    yield from _surcharges_name_something(version)


def _every_price_is_there(version: ModelVersion) -> Iterator[Problem]:
    for preset in version.presets:
        if missing := _missing(version, preset):
            yield "prices", f"{preset} has no price for {', '.join(missing)}."
        elif _falls(version.prices[preset]):
            yield "prices", f"{preset}: a larger size costs less than a smaller one."
    for preset in version.prices:
        if preset not in version.presets:
            yield "prices", f"There is no preset {preset!r}."


def _surcharges_name_something(version: ModelVersion) -> Iterator[Problem]:
    for name in version.surcharges:
        if name == AUDIO and not version.has_audio:
            yield "surcharges", f"{version.family_facts.title} makes no sound."
        elif name != AUDIO and name not in version.modes:
            yield "surcharges", f"{name!r} is neither {AUDIO!r} nor a mode of this model."
