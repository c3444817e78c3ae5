"""A small model's clip is enlarged: everything that people read says the size of the MP4 that they get."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from catalog.samples import clip_prices
from generation.models import Generation
from tests.generation import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def small() -> Model:
    return factories.model(sizes=["96x64", "64x64"], upscale=4)


def test_the_list_of_models_names_it(small: Model, client: Client) -> None:
    model: dict[str, Any] = client.get("/v1/models/toy").json()["lm"]
    assert model["capabilities"]["sizes"] == ["384x256", "256x256"]
    assert model["sample"]["size"] == "384x256"
    page = client.get("/models/").text
    assert "384\u00a0×\u00a0256, 256\u00a0×\u00a0256" in page
    assert "96x64" not in page


@pytest.mark.parametrize("asked", ["384x256", "96x64", None])
def test_it_may_be_asked_for_by_either_name(
    small: Model, alice: Visitor, client_of: ClientOf, asked: str | None
) -> None:
    body = {"prompt": "x"} | ({"size": asked} if asked else {})
    video = client_of(alice).post("/v1/videos", body).json()
    assert (video["size"], video["lm"]["rendered_size"]) == ("384x256", "96x64")
    generation = Generation.objects.get()
    assert (generation.width, generation.height) == (96, 64)
    assert generation.render_job(inputs={}, outputs={}).upscale == 4


def test_a_size_that_is_not_made_is_answered_with_those_that_are(
    small: Model, alice: Visitor, client_of: ClientOf
) -> None:
    answer = client_of(alice).post("/v1/videos", {"prompt": "x", "size": "1920x1080"})
    assert "Choose one of: 384x256, 256x256." in answer.json()["detail"]


def test_the_form_the_page_and_the_receipt_say_it(small: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser = client_of(alice)
    assert '-size" value="384x256"' in browser.get("/").text
    generation = factories.submitted(alice.workspace, size="384x256")
    page = browser.get(f"/generations/{generation.id}/").text
    assert "384\u00a0×\u00a0256" in page
    assert "of video, 384\u00a0×\u00a0256 (360p), standard" in page
    assert "96\u00a0×\u00a064" not in page
    (price,) = clip_prices()
    assert str(price.sample.size) == "384x256"
