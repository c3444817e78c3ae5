"""Whether the prices of a version are prices at all, and whether none is missing."""

from __future__ import annotations

from collections.abc import Iterator
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
    tiers = tiers_of(version.sizes)
    for preset in version.presets:
        row = version.prices.get(preset, {})
        missing = [tier for tier in tiers if tier not in row]
        if missing:
            yield "prices", f"{preset} has no price for {', '.join(missing)}."
        else:
            ascending = [row[tier] for tier in TIERS if tier in row]
            if ascending != sorted(ascending):
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
