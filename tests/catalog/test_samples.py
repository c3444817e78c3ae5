"""The clip by which models are compared: one rule, whoever shows it."""

from __future__ import annotations

import pytest
from django.test import Client

from catalog.models import Model
from catalog.samples import clip_prices, sample_of
from catalog.seed import seed
from catalog.sizes import Size
from tests.catalog.factories import make_model

pytestmark = pytest.mark.django_db


def test_every_model_has_the_same_price_wherever_prices_are_shown(client: Client) -> None:
    seed()
    Model.objects.update(status="enabled")
    listed = {entry["lm"]["name"]: entry["lm"]["sample"] for entry in client.get("/v1/models").json()["data"]}
    priced = {price.model: price.sample for price in clip_prices()}
    assert list(priced) == list(listed)
    assert {name: (sample.credits, str(sample.size)) for name, sample in priced.items()} == {
        name: (sample["credits"], sample["size"]) for name, sample in listed.items()
    }
    page = client.get("/pricing/").text
    assert all(f'<th scope="row">{name}</th>' in page for name in listed)


def test_a_model_that_starts_from_a_picture_has_a_price() -> None:
    make_model(modes=["image"])
    (price,) = clip_prices()
    assert price.sample.credits > 0


@pytest.mark.parametrize(
    ("sizes", "compared"),
    [
        (["704x480", "1216x704"], Size(1216, 704)),  # 480p and 720p
        (["704x480", "1920x1088"], Size(1920, 1088)),  # 1080p is as near as 480p is, and larger
        (["640x352", "704x480"], Size(704, 480)),  # nothing in 720p
    ],
)
def test_the_size_is_the_nearest_to_720p(sizes: list[str], compared: Size) -> None:
    prices = {tier: 1000 for tier in ("360p", "480p", "720p", "1080p")}
    version = make_model(sizes=sizes, prices={"standard": prices, "draft": prices}).current
    assert version is not None
    assert sample_of(version).size == compared
