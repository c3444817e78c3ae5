"""A clip that goes on from another holds that one: it is as long as both, and costs what is new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.template.defaultfilters import floatformat
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.settlement import settle
from generation.storage import files
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

pytestmark = pytest.mark.django_db


@pytest.fixture
def toy(db: None) -> Model:
    return factories.model(modes=["text", "extend"])


def extended(browser: Client, source: Generation | str, **said: Any) -> dict[str, Any]:
    body = {"prompt": "it runs", "video": {"id": str(getattr(source, "id", source))}, **said}
    answer: dict[str, Any] = browser.post("/v1/videos/extensions", body, content_type="application/json").json()
    return answer


def test_it_is_as_long_as_both_before_and_after_it_is_made(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser, source = client_of(alice), finished(alice)
    asked = extended(browser, source)
    made = Generation.objects.get(id=asked["id"])
    repeated = 9  # of LTX, whose context is 8k + 1 frames
    whole_frames = source.num_frames + made.num_frames - repeated
    assert float(asked["seconds"]) == pytest.approx(whole_frames / made.fps, abs=0.001)
    assert f"{floatformat(whole_frames / made.fps, '-2')} s</li>" in browser.get(f"/generations/{made.id}/").text
    factories.deliver_clip(made)
    facts = replace(factories.clip_facts(made), num_frames=whole_frames, duration_seconds=whole_frames / made.fps)
    assert settle.settle(factories.report(made, clip=facts))
    assert browser.get(f"/v1/videos/{made.id}").json()["seconds"] == asked["seconds"]
    assert browser.get("/v1/videos").json()["data"][0]["seconds"] == asked["seconds"]


def test_what_is_new_is_what_it_costs(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    source = finished(alice)
    asked = extended(client_of(alice), source)
    assert asked["lm"]["cost"]["quoted"] == source.credits_quoted
    assert asked["lm"]["num_frames"] == source.num_frames


def test_an_extension_is_extended_from_its_end(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser, source = client_of(alice), finished(alice)
    asked = extended(browser, source)
    made = Generation.objects.get(id=asked["id"])
    factories.deliver_clip(made)
    settle.settle(factories.report(made, clip=replace(factories.clip_facts(made), num_frames=400, duration_seconds=50)))
    again = extended(browser, made)
    assert Generation.objects.get(id=again["id"]).continued_seconds == 50
    assert float(again["seconds"]) > 50


def test_a_whole_that_nothing_could_read_any_more_is_refused(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    source = finished(alice)
    source.clip.duration_seconds = 59.5
    source.clip.save(update_fields=["duration_seconds"])
    refused = extended(client_of(alice), source)
    assert (refused["status"], refused["code"], refused["error"]["param"]) == (422, "too_long", "video")
    assert "The clip is 59.50 seconds long" in refused["detail"]
    assert Generation.objects.count() == 1


def test_a_worker_may_send_the_whole_of_it(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    source = finished(alice)
    made = Generation.objects.get(id=extended(client_of(alice), source)["id"])
    a_minute = 60 * made.fps * made.width * made.height * 3
    assert files.most_bytes(made, files.CLIP) >= a_minute
    assert files.most_bytes(source, files.CLIP) < files.most_bytes(made, files.CLIP)


def test_the_form_says_what_comes_first(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    source = finished(alice)
    page = client_of(alice).get(f"/?video={source.id}").text
    assert f"whose {floatformat(source.seconds, '-2')} s open the new clip" in page
    assert "for the few frames where the two overlap" in page
