"""The models page, the guide and ``/v1/models``: drawn from the rows, so that a new row is there at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from catalog import measurements
from catalog.models import Model
from catalog.seed import seed
from tests.catalog.factories import make_model

pytestmark = pytest.mark.django_db


def one(client: Client, slug: str, **headers: str) -> dict[str, Any]:
    answer = client.get("/v1/models", headers=headers)
    return next(model for model in answer.json()["data"] if model["id"] == slug)


def test_the_page_and_the_list_show_what_is_enabled_in_its_order(client: Client) -> None:
    make_model("b", aliases=("default",))
    make_model("a")
    make_model("hidden", enabled=False)
    Model.objects.filter(slug="b").update(position=1)
    listed = client.get("/v1/models").json()
    assert (listed["object"], [model["id"] for model in listed["data"]]) == ("list", ["b", "a"])
    page = client.get("/models/").content.decode()
    assert "Hidden" not in page
    assert page.index('id="b"') < page.index('id="a"')


def test_a_program_reads_everything_that_it_may_ask_for(client: Client) -> None:
    make_model(aliases=("quick",))
    model = one(client, "ltx-2b")
    assert (model["object"], model["owned_by"]) == ("model", "Lightricks")
    can = model["lm"]["capabilities"]
    first_picture = {"role": "image", "title": "Start frame", "kind": "picture"}
    assert can["modes"][1] == {"name": "image", "title": "Image to video", "needs": [first_picture], "accepts": []}
    assert can["seconds"] == {"min": 1, "max": 5, "default": 5}
    assert can["presets"] == [
        {"name": "standard", "steps": 30, "max_prompt_tokens": 255},
        {"name": "draft", "steps": 12, "max_prompt_tokens": 255},
    ]
    assert model["lm"]["sample"] == {"credits": 21, "seconds": 5.042, "size": "1216x704", "preset": "standard"}
    assert model["lm"]["aliases"] == ["quick"]
    assert client.get("/v1/models/quick").json() == model


def test_an_unknown_model_is_a_problem_document(client: Client) -> None:
    make_model()
    answer = client.get("/v1/models/sora-2")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert "Choose one of: ltx-2b" in answer.json()["detail"]


def test_a_closed_model_says_why_to_those_it_is_closed_to(client: Client, settings: Settings) -> None:
    settings.TERRITORY_HEADER = "CF-IPCountry"
    make_model("hunyuan", blocked_territories=["EU"])
    assert one(client, "hunyuan", **{"CF-IPCountry": "JP"})["lm"]["is_available"]
    german = one(client, "hunyuan", **{"CF-IPCountry": "DE"})["lm"]
    assert (german["is_available"], "the European Union" in german["unavailable_because"]) == (False, True)
    assert "verify your location" in client.get("/models/").content.decode()


def test_measured_speed_is_shown_as_soon_as_there_is_one(client: Client) -> None:
    model = make_model()
    assert "not measured yet" in client.get("/models/").content.decode()
    assert model.current is not None
    for seconds in (10.0, 14.0):
        measurements.record(
            model.current,
            mode="text",
            preset="standard",
            width=704,
            height=480,
            gpu_seconds=seconds,
            video_seconds=4.0,
            peak_bytes=7,
        )
    assert one(client, "ltx-2b")["lm"]["gpu_seconds_per_second"] == 3.0
    assert "3.0 s per second of video" in client.get("/models/").content.decode()


def test_every_seeded_model_can_be_shown_and_priced(client: Client) -> None:
    seed()
    Model.objects.update(status="enabled")
    listed = client.get("/v1/models").json()["data"]
    assert len(listed) == Model.objects.count() > 25
    assert all(1 <= model["lm"]["sample"]["credits"] <= 2_000 for model in listed)
    capped = next(model["lm"] for model in listed if model["id"] == "ltx-2.5")
    assert (capped["is_available"], capped["capabilities"]["has_audio"]) == (False, True)
    page = client.get("/models/").content.decode()
    assert all(f'id="{model["id"]}"' in page for model in listed)


def test_the_guide_has_the_live_table_inside_its_text(client: Client) -> None:
    make_model()
    page = client.get("/models/guide/").content.decode()
    assert "{{" not in page
    assert page.index("Which model") < page.index('id="ltx-2b"') < page.index("How to choose")


def test_a_model_that_a_provider_runs_is_not_called_ours(client: Client) -> None:
    make_model()
    assert "Nothing is resold" in client.get("/models/guide/").text
    assert "Open models, and" in client.get("/models/").text
    make_model("theirs", family="remote")
    assert "Nothing is resold" not in client.get("/models/guide/").text
    assert "Open models and those of providers, and" in client.get("/models/").text
    Model.objects.exclude(slug="theirs").update(status=Model.Status.DRAFT)
    assert "Every model here is run by a provider" in client.get("/models/guide/").text
    assert "Models of providers, and" in client.get("/models/").text


def test_names_of_staff_are_shown_as_text(client: Client) -> None:
    make_model("evil", licence="<script>alert(1)</script>")
    Model.objects.update(name="<img src=x>")
    for url in ("/models/", "/models/guide/"):
        page = client.get(url).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x>" not in page


def test_the_list_asks_as_many_questions_for_one_model_as_for_many(
    client: Client, django_assert_num_queries: Any
) -> None:
    make_model("m0", aliases=("a0",))
    with django_assert_num_queries(2):
        client.get("/v1/models")
    for number in range(1, 6):
        make_model(f"m{number}", aliases=(f"a{number}",))
    with django_assert_num_queries(2):
        client.get("/v1/models")
