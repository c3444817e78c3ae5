"""The library is searched: what is found, of whom, in which order, and how it goes on."""

from __future__ import annotations

import html
import re
from copy import copy
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.caller import Caller
from accounts.models import Membership, Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.api import listing
from generation.models import Generation
from generation.pages import library
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.properties import examples

PROMPTS = ["a fox", "a foxglove and a boat", "a boat", "Füchse", "a fox, a boat"]
CLIPS = st.lists(
    st.tuples(st.sampled_from(PROMPTS), st.integers(0, 3), st.sampled_from(["shared", "own", "of another"])),
    max_size=14,
)
"""Prompt, moment and who sees it: of several that came at one moment the id decides."""


def found(client: Client, query: str) -> list[str]:
    """Prompts on the library's page, the newest first."""
    page = client.get(f"/history/?{query}").text
    return re.findall(r'<span class="caption" dir="auto">(.*?)</span>', page)


@pytest.fixture
def prompts(toy: Model, alice: Visitor) -> list[str]:
    prompts = ["a red fox in the snow", "a blue boat", "Füchse im Schnee"]
    for prompt in prompts:
        factories.submitted(alice.workspace, prompt=prompt)
    return prompts


def test_chips_of_states_and_views_keep_what_is_searched(
    prompts: list[str], alice: Visitor, client_of: ClientOf
) -> None:
    page = client_of(alice).get("/history/?q=boat&order=oldest&state=open").text
    assert 'href="?q=boat&amp;state=failed&amp;order=oldest"' in page
    assert 'href="?q=boat&amp;state=open&amp;order=oldest&amp;view=large"' in page
    assert re.search(r'state=open&amp;order=oldest" aria-current="true">In progress<', page)


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ("fox", [0]),
        ("SNOW red", [0]),
        ("bo", [1]),
        ("füchs", [2]),
        ("a", [1, 0]),
        ("ox", []),
        ("'; & | !", []),
        ("", [2, 1, 0]),
    ],
)
def test_the_library_is_searched_by_the_beginnings_of_words(
    prompts: list[str], alice: Visitor, client_of: ClientOf, words: str, places: list[int]
) -> None:
    assert found(client_of(alice), urlencode({"q": words})) == [prompts[place] for place in places]


@pytest.mark.parametrize(
    "word",
    ["3.5mm", "f/1.8", "fox/bear", "example.com", "v2.0beta", "-5", "(f/1.8)", "f/1.", "EXAMPLE.com,", "don't", "16:9"],
)
@pytest.mark.parametrize("looked_through", [1, 500])
def test_a_word_is_found_as_the_prompt_has_it(
    toy: Model,
    alice: Visitor,
    client_of: ClientOf,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    looked_through: int,
) -> None:
    """Of such words PostgreSQL keeps many whole."""
    monkeypatch.setattr(listing, "LOOKED_THROUGH", looked_through)
    prompt = "a fox/bear at -5, 3.5mm f/1.8 v2.0beta of example.com, don't blur 16:9"
    for asked in (prompt, "a deer"):
        factories.submitted(alice.workspace, prompt=asked)
    assert [html.unescape(one) for one in found(client_of(alice), urlencode({"q": word}))] == [prompt]


@pytest.mark.parametrize("words", ["red\\", "'", "fox' | 'boat", "fox\\' | boat", "fox:* | boat", "!fox", "fox):*"])
def test_no_word_is_read_as_an_operator(prompts: list[str], alice: Visitor, client_of: ClientOf, words: str) -> None:
    assert prompts[1] not in found(client_of(alice), urlencode({"q": words}))


def test_a_search_finds_nothing_of_others(prompts: list[str], bob: Visitor, client_of: ClientOf) -> None:
    assert found(client_of(bob), "q=fox") == []


def test_the_library_shows_one_model_s_clips_and_those_of_a_state(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    factories.model("other", is_default=False)
    finished(alice, prompt="a fox")
    factories.submitted(alice.workspace, prompt="a boat", model="other")
    browser = client_of(alice)
    assert found(browser, "model=other") == ["a boat"]
    assert found(browser, "state=ready") == ["a fox"]
    assert found(browser, "state=open") == ["a boat"]
    assert found(browser, "state=failed") == []
    assert found(browser, "state=nonsense&model=toy") == ["a fox"]
    assert "No clip matches." in browser.get("/history/?q=zebra").text


def test_older_clips_of_a_search_are_of_that_search(
    prompts: list[str], alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generation.pages.library.PAGE", 1)
    browser = client_of(alice)
    older = re.search(r'href="\?(q=a&amp;before=[^"]+)"', browser.get("/history/?q=a").text)
    assert older is not None
    assert found(browser, html.unescape(older[1])) == [prompts[0]]


def test_the_library_goes_from_the_oldest_on_and_shows_clips_large(
    prompts: list[str], alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "PAGE", 1)
    browser, query, seen = client_of(alice), "order=oldest&view=large", []
    while query:
        seen += found(browser, query)
        page = browser.get(f"/history/?{query}").text
        assert '<ul class="grid large"' in page
        further = re.search(r'href="\?([^"]+)">Newer clips', page)
        query = html.unescape(further[1]) if further else ""
    assert seen == prompts


@pytest.mark.parametrize("looked_through", [1, 500])
def test_matches_are_those_of_the_state_that_is_asked_for(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, looked_through: int
) -> None:
    monkeypatch.setattr(listing, "LOOKED_THROUGH", looked_through)
    finished(alice, prompt="a fox by day")
    factories.submitted(alice.workspace, prompt="a fox by night")
    browser = client_of(alice)
    assert found(browser, "q=fox&state=ready") == ["a fox by day"]
    assert found(browser, "q=fox&state=open") == ["a fox by night"]
    assert found(browser, "q=fox&state=failed") == []


@hypothesis_settings(max_examples=examples(30))
@given(
    clips=CLIPS,
    words=st.sampled_from(["fox", "a", "boat fo", "füchs", "zebra"]),
    looked_through=st.integers(1, 6),
    limit=st.integers(1, 4),
    is_ascending=st.booleans(),
)
@pytest.mark.django_db
def test_pages_of_a_search_are_all_that_is_seen_with_its_words_in_order(
    clips: list[tuple[str, int, str]], words: str, looked_through: int, limit: int, is_ascending: bool
) -> None:
    with transaction.atomic(), pytest.MonkeyPatch.context() as patch:  # of this example alone
        patch.setattr(listing, "LOOKED_THROUGH", looked_through)
        factories.model()
        owner, maker = people.person("owner@example.org"), people.person("maker@example.org")
        studio = people.team(owner, "Studio", member=maker)
        ledger.grant(account=studio.id, reference="test", amount=1_000, kind=ledger.LotKind.PACK)
        place = Membership.objects.select_related("user").get(workspace=studio, user=maker)
        caller = Caller(studio, BY_ROLE[Role.MEMBER], membership=place)
        pattern = factories.submitted(studio, prompt="a zebra")
        seen = {"shared": (False, owner), "own": (True, maker), "of another": (True, owner)}
        made = []
        for prompt, moment, whose in clips:
            clip = copy(pattern)
            clip.id, clip.prompt, (clip.is_private, clip.made_by) = uuid4(), prompt, seen[whose]
            clip.created_at = pattern.created_at + timedelta(seconds=moment)
            made.append(clip)
        Generation.objects.bulk_create(made)
        pages: list[Generation] = []
        while page := listing.page(
            caller, limit=limit, after=pages[-1] if pages else None, is_ascending=is_ascending, words=words
        ):
            pages += page
        visible = [pattern, *(clip for clip, (_, _, whose) in zip(made, clips, strict=True) if whose != "of another")]
        stems = [clip.prompt.lower().replace(",", "").split() for clip in visible]
        expected = [
            clip.id
            for clip, of_it in zip(visible, stems, strict=True)
            if all(any(word.startswith(stem) for word in of_it) for stem in words.split())
        ]
        moments = {clip.id: (clip.created_at, clip.id) for clip in visible}
        assert [clip.id for clip in pages] == sorted(expected, key=moments.__getitem__, reverse=not is_ascending)
        transaction.set_rollback(True)
