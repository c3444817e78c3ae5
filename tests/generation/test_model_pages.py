"""A model's page says what it is, what it costs, how long it takes and whether one may use it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Visitor
from catalog.length_prices import length_prices
from catalog.models import AccessLevel, Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.scheduling import offline
from generation.sharing.models import Share
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.generation.test_status import hour

pytestmark = pytest.mark.django_db


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_it_says_what_the_model_takes_and_how_long_its_clips_waited(toy: Model, client: Client) -> None:
    assert "Nobody has made a clip with it in the last 24 hours" in client.get("/models/toy/").text
    hour()
    page = text_of(client.get("/models/toy/").text)
    assert "10 clips in the last 24 hours. Half were ready within 76 s, nine in ten within 3 min." in page
    assert "Text : a prompt" in page
    assert "3:2 · 96 × 64" in page
    assert "Apache-2.0. Anybody may use this model" in page
    assert "ready within 76 s" in client.get("/models/").text


def test_the_table_of_prices_says_what_a_clip_is_charged(db: None, client: Client) -> None:
    model = factories.model(
        sizes=["96x64", "1280x704"],
        presets={"standard": {"steps": 8}, "draft": {"steps": 2}},
        prices={"standard": {"360p": 5_000, "720p": 9_000}, "draft": {"360p": 1_000, "720p": 2_000}},
    )
    assert model.current is not None
    shown = length_prices(model.current)
    assert [table.preset for table in shown] == ["standard", "draft"]
    asked: dict[str, Any]
    for table in shown:
        assert [row.label for row in table.rows][::3] == ["1.1 s", "5.1 s"]
        for row in table.rows:
            for size, price in zip(table.sizes, row.credits, strict=True):
                asked = {"preset": table.preset, "size": str(size), "seconds": min(row.seconds, 5)}
                assert make_offer(Ask(prompt="x", **asked)).quote.credits == price
    page = client.get("/models/toy/").text
    assert "up to 1280\u00a0×\u00a0704" in page
    assert re.search(r"colgroup[^>]*>Draft", page)


def test_trying_it_chooses_it(toy: Model, client: Client) -> None:
    factories.model("other", is_default=False)
    assert 'href="/?model=other"' in client.get("/models/other/").text
    assert re.search(r'name="model" value="other"\s+checked', client.get("/?model=other").text)
    assert re.search(r'name="model" value="toy"\s+checked', client.get("/?model=gone").text)


def test_who_may_not_use_it_is_told_why_and_the_way(toy: Model, client: Client) -> None:
    factories.model("members", is_default=False, least_plan=AccessLevel.FREE)
    page = client.get("/models/members/").text
    assert "You need an account to use" in page
    assert 'href="/?model=members"' not in page
    listed = client.get("/models/").text
    assert "You need an account to use" in listed
    assert 'href="/?model=members"' not in listed


def test_a_model_that_no_machine_holds_is_offline_with_the_reason(
    toy: Model, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "largest_machine_bytes", lambda: 1)
    monkeypatch.setattr(
        "catalog.measurements.smallest_clips", lambda versions, above_bytes: {each.id: 10**10 for each in versions}
    )
    for address in ("/models/toy/", "/models/"):
        page = client.get(address).text
        assert ">Offline</span>" in page
        assert "(about 10 GB" in page


def test_an_alias_leads_to_its_model_and_what_is_not_offered_is_not_there(toy: Model, client: Client) -> None:
    assert client.get("/models/default/")["Location"] == "/models/toy/"
    Model.objects.filter(slug="toy").update(status=Model.Status.DRAFT)
    assert [client.get(f"/models/{slug}/").status_code for slug in ("toy", "default", "none", "a\x00")] == [404] * 4


def test_its_samples_are_what_staff_picked_of_it(
    toy: Model, alice: Visitor, client_of: ClientOf, client: Client, settings: Settings
) -> None:
    made = finished(alice, prompt="a fox by the sea")
    link = Share.objects.create(clip=made.clip, shows_prompt=True, is_indexed=True)
    assert "Samples" not in client.get("/models/toy/").text
    Share.objects.update(featured_at=timezone.now())
    for address in ("/models/toy/", "/models/"):
        assert f"/s/{link.token}/poster.jpg" in client.get(address).text
    factories.model("other", is_default=False)
    assert link.token not in client.get("/models/other/").text
