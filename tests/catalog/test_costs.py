"""Prices come from one formula and one quoted figure a row, and the admin shows both."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from catalog import costs, documents, versions
from catalog.models import Model, ModelVersion
from catalog.seed import FILE
from catalog.sizes import Size
from catalog.validation import problems
from gpu_worker.families import REMOTE_FAMILIES
from tests.catalog.factories import draft_version, make_model

SPEED = {"gpu_seconds": 20, "card": "H100", "size": "704x480", "frames": 121, "steps": 30, "source": "a README"}
ROWS = {slug: row["version"] for slug, row in documents.read(FILE.read_text())["models"].items()}
RENDERED = [slug for slug, row in ROWS.items() if slug != "preview" and row["family"] not in REMOTE_FAMILIES]
"""Those whose price comes from what they take of a GPU: not the preview model, nor what providers make."""


def row(slug: str) -> ModelVersion:
    return versions.draft(Model(slug=slug, name=slug), ROWS[slug])


def suggested_prices(version: ModelVersion) -> dict[str, dict[str, int]]:
    """What the formula makes of the reference speed, in the shape of ``ModelVersion.prices``."""
    found: dict[str, dict[str, int]] = {}
    for worth in costs.worths(version):
        found.setdefault(worth.preset, {})[worth.tier] = worth.suggested_millicredits
    return found


def test_it_works(settings: Settings) -> None:
    """20 s of GPU for a clip of 5.04 s at $2 an hour are $0.0022 a second: at a margin of 0.6 that is 0.55 credits."""
    version = draft_version(reference_speed=SPEED)
    by = {(worth.preset, worth.tier): worth for worth in costs.worths(version)}
    assert by["standard", "480p"].gpu_seconds == pytest.approx(20 / (121 / 24))
    assert by["standard", "480p"].suggested_millicredits == 560
    assert by["draft", "480p"].gpu_seconds == pytest.approx(by["standard", "480p"].gpu_seconds * 12 / 30)
    assert by["standard", "480p"].margin == pytest.approx(1 - 20 / (121 / 24) / 3600 * 2 / (2000 / 1000 * 0.01))
    settings.GPU_DOLLARS_PER_HOUR = 4.0
    assert suggested_prices(version)["standard"]["480p"] == 1200


def test_the_growth_is_that_of_the_figures_it_is_quoted_from() -> None:
    pixels = 1360 * 768 * 81 / (720 * 480 * 49)
    assert pixels == pytest.approx(5.0, abs=0.01)
    assert math.log(550 / 90) / math.log(pixels) == pytest.approx(costs.GROWTH, abs=0.01)


def test_the_figures_that_a_row_quotes_come_back_out_of_it() -> None:
    for slug, seconds in (("cogvideox-2b", 45), ("cogvideox-5b", 90)):
        version = row(slug)
        speed = costs.reference_of(version)
        assert speed is not None
        made = costs.gpu_seconds(version, speed, size=Size(720, 480), steps=50) * 49 / 8
        assert made == pytest.approx(seconds)


@pytest.mark.parametrize("slug", RENDERED)
def test_every_seeded_price_is_what_the_formula_makes_of_its_figure(slug: str) -> None:
    version = row(slug)
    assert version.reference_speed["source"]
    assert suggested_prices(version) == version.prices


@pytest.mark.parametrize("slug", RENDERED)
def test_no_seeded_price_is_below_its_cost(slug: str) -> None:
    for worth in costs.worths(row(slug)):
        assert worth.margin is not None
        assert costs.MARGIN <= worth.margin < costs.MARGIN + 0.05


@given(st.floats(0.1, 5_000), st.integers(1, 100), st.integers(1, 500))
def test_suggested_prices_can_be_saved_whatever_the_figure(seconds: float, steps: int, frames: int) -> None:
    speed = {**SPEED, "gpu_seconds": seconds, "steps": steps, "frames": frames}
    version = draft_version(reference_speed=speed)
    version.prices = suggested_prices(version)
    assert problems(version) == {}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"gpu_seconds": 20}, "exactly these"),
        (SPEED | {"card": "B300"}, "one of H100"),
        (SPEED | {"size": "large"}, "WIDTHxHEIGHT"),
        (SPEED | {"frames": 0}, "frames: write a whole number from 1"),
        (SPEED | {"gpu_seconds": True}, "gpu_seconds: write a number from 0.001"),
        (SPEED | {"card": ["H100"]}, "one of H100"),
        (SPEED | {"source": " "}, "where the figure comes from"),
        ([1], "exactly these"),
    ],
)
def test_a_figure_that_cannot_be_used_is_refused_at_its_field(said: Any, problem: str) -> None:
    (text,) = problems(draft_version(reference_speed=said))["reference_speed"]
    assert problem in text


def test_the_admin_shows_where_a_price_comes_from(admin_browser: Client) -> None:
    model = make_model(reference_speed=SPEED)
    page = admin_browser.get(f"/admin/catalog/model/{model.pk}/versions/").content.decode()
    assert "a README" in page
    assert "<td>560</td><td>2000</td>" in page
    assert "It names none" in admin_browser.get(f"/admin/catalog/model/{make_model('b').pk}/versions/").content.decode()
