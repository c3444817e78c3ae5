"""A clip's page leads to what it was made from and to what was made from it."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.settlement import deletion
from generation.storage import files
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished


@pytest.fixture
def toy(db: None) -> Model:
    return factories.model(modes=["text", "extend"])


@pytest.fixture
def browser(alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def made_from(source: Generation, visitor: Visitor, prompt: str) -> Generation:
    clip = finished(visitor, prompt=prompt)
    Generation.objects.filter(id=clip.id).update(inputs={"video": files.key(source, files.CLIP)})
    clip.refresh_from_db()
    return clip


def family(browser: Client, clip: Generation) -> list[str]:
    page = browser.get(f"/generations/{clip.id}/").text
    listed = page.partition('<ol class="family">')[2].partition("</ol>")[0]
    return [one or other for one, other in re.findall(r'<span dir="auto">([^<]*)</span>|(This clip)', listed)]


def test_ancestors_come_before_it_and_children_after(toy: Model, alice: Visitor, browser: Client) -> None:
    first = finished(alice, prompt="first")
    second = made_from(first, alice, "second")
    third, other = (made_from(second, alice, prompt) for prompt in ("third", "other"))
    assert family(browser, second) == ["first", "This clip", "third", "other"]
    assert family(browser, third) == ["first", "second", "This clip"]
    deletion.delete(other)
    assert family(browser, second) == ["first", "This clip", "third"]
    assert family(browser, finished(alice)) == []


def test_nobody_sees_another_s_relations(toy: Model, alice: Visitor, bob: Visitor, browser: Client) -> None:
    mine = finished(alice, prompt="mine")
    theirs = made_from(mine, bob, "theirs")
    made_from(theirs, alice, "mine again")
    assert family(browser, mine) == []


def test_another_s_relations_take_no_place(
    toy: Model, alice: Visitor, bob: Visitor, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.pages.family.MOST_CHILDREN", 1)
    clip = finished(alice, prompt="mine")
    for owner, prompt in ((bob, "theirs"), (alice, "child"), (alice, "another child")):
        made_from(clip, owner, prompt)
    assert family(browser, clip) == ["This clip", "child"]


def test_a_family_costs_the_same_however_large(toy: Model, alice: Visitor, browser: Client) -> None:
    clip, costs = finished(alice, prompt="0"), []
    made_from(clip, alice, "child")
    for number in range(3):
        browser.get(f"/generations/{clip.id}/")
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"/generations/{clip.id}/")
        costs.append(len(queries))
        clip = made_from(clip, alice, str(number))
        made_from(clip, alice, f"child {number}")
    assert costs[1] == costs[2]


def test_an_own_clip_can_be_chosen_on_the_form(toy: Model, alice: Visitor, browser: Client) -> None:
    source = finished(alice, prompt="a fox")
    assert f'<option value="{source.id}">a fox</option>' in browser.get("/").text
    said = {"prompt": "it runs", "model": "toy", "toy-way": "extend", "video": str(source.id)}
    assert browser.post("/generations/", said).status_code == 302
    made = Generation.objects.get(prompt="it runs")
    assert made.inputs == {"video": files.key(source, files.CLIP)}
    said = {"prompt": "a boat", "model": "toy", "toy-way": "text", "video": str(source.id)}
    assert browser.post("/generations/", said).status_code == 302
    assert Generation.objects.get(prompt="a boat").inputs == {}
