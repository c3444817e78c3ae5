"""Pages of clips: the last costs what the first does."""

from __future__ import annotations

import html
import json
import re
from copy import copy
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import connection, transaction
from django.db.models import Subquery
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.caller import Caller
from accounts.models import Membership, Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.api import listing
from generation.models import Generation, GenerationQuerySet
from generation.pages import library
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.properties import examples

MANY = 2_000


@pytest.fixture
def history(toy: Model, alice: Visitor) -> list[Generation]:
    """Many clips of one workspace, the oldest first."""
    first = factories.submitted(alice.workspace)
    others = [copy(first) for _ in range(MANY)]
    for number, other in enumerate(others, 1):
        other.id, other.created_at = uuid4(), first.created_at + timedelta(seconds=number)
    Generation.objects.bulk_create(others)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE generation_generation")
    return [first, *others]


def rows_thrown_away(page: GenerationQuerySet) -> int:
    """Rows that PostgreSQL reads for a page and does not give out."""

    def of(node: dict[str, Any]) -> int:
        return int(node.get("Rows Removed by Filter", 0)) + sum(of(part) for part in node.get("Plans", []))

    (plan,) = json.loads(page[:20].explain(analyze=True, format="json"))
    return of(plan["Plan"])


@pytest.mark.parametrize("depth", [1, MANY // 2, MANY - 50])
def test_a_page_reads_none_of_those_before_it(history: list[Generation], alice: Visitor, depth: int) -> None:
    own = Generation.objects.of(alice.workspace)
    for last in (history[-depth], history[depth]):
        moment = Subquery(own.filter(id=last.id).values("created_at"))
        for created_at in (last.created_at, moment):
            assert rows_thrown_away(own.older_than(created_at, last.id)) <= 1
            assert rows_thrown_away(own.newer_than(created_at, last.id)) <= 1


def test_of_one_moment_the_id_decides(toy: Model, alice: Visitor) -> None:
    low, middle, high = sorted((factories.submitted(alice.workspace) for _ in range(3)), key=lambda each: each.id)
    Generation.objects.update(created_at=low.created_at)
    middle.refresh_from_db()
    assert list(Generation.objects.older_than(middle.created_at, middle.id)) == [low]
    assert list(Generation.objects.newer_than(middle.created_at, middle.id)) == [high]


@pytest.mark.parametrize(("list_of", "cursor"), [("/v1/videos", "after"), ("/history/", "before")])
def test_a_page_further_on_asks_no_query_more_than_the_first(
    toy: Model, alice: Visitor, client_of: ClientOf, list_of: str, cursor: str
) -> None:
    clips = [finished(alice) for _ in range(3)]
    client = client_of(alice)
    client.get(list_of)  # which notes that they were read
    with CaptureQueriesContext(connection) as first:
        assert client.get(list_of).status_code == 200
    with CaptureQueriesContext(connection) as further:
        answer = client.get(list_of, {cursor: str(clips[-1].id)})
    assert str(clips[0].id) in answer.text
    assert len(further) == len(first)


@pytest.mark.parametrize("address", ["/v1/videos?after={id}", "/history/?before={id}"])
def test_a_page_behind_what_the_caller_does_not_see_is_none(
    toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf, address: str
) -> None:
    own, other = finished(alice), finished(bob)
    client = client_of(alice)
    assert client.get(address.format(id=own.id)).status_code == 200  # the last one: an empty page
    for absent in (other.id, uuid4()):
        assert client.get(address.format(id=absent)).status_code == 404


@pytest.mark.parametrize("address", ["/v1/videos?after={id}", "/history/?before={id}"])
def test_a_page_may_begin_after_a_clip_that_is_deleted(
    toy: Model, alice: Visitor, client_of: ClientOf, address: str
) -> None:
    older, last = finished(alice), finished(alice)
    client = client_of(alice)
    client.delete(f"/v1/videos/{last.id}")
    answer = client.get(address.format(id=last.id))
    assert answer.status_code == 200
    assert str(older.id) in answer.content.decode()


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


PROMPTS = ["a fox", "a foxglove and a boat", "a boat", "Füchse", "a fox, a boat"]
CLIPS = st.lists(
    st.tuples(st.sampled_from(PROMPTS), st.integers(0, 3), st.sampled_from(["shared", "own", "of another"])),
    max_size=14,
)
"""Prompt, moment and who sees it: of several that came at one moment the id decides."""


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


@pytest.mark.parametrize("is_ascending", [False, True])
def test_a_search_looks_at_some_first_and_asks_the_index_for_words_that_few_have(
    history: list[Generation], alice: Visitor, is_ascending: bool
) -> None:
    place = history[MANY // 2]
    Generation.objects.filter(id=place.id).update(prompt="a zebra")
    caller = Caller(alice.workspace, BY_ROLE[Role.OWNER])
    with CaptureQueriesContext(connection) as common:
        assert len(listing.page(caller, limit=25, is_ascending=is_ascending, words="circle")) == 25
    with CaptureQueriesContext(connection) as rare:
        assert listing.page(caller, limit=25, is_ascending=is_ascending, words="zebra") == [place]
    assert (len(common), len(rare)) == (2, 3)
    assert read_rows(common.captured_queries[0]["sql"]) <= 25
    assert "generation_prompt_words" in plan_of(rare.captured_queries[1]["sql"])


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        return json.dumps(cursor.fetchone()[0])


def read_rows(sql: str) -> int:
    """Rows that PostgreSQL reads from the table for it, those that it throws away among them."""

    def of(node: dict[str, Any]) -> int:
        own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if "Relation Name" in node else 0
        return int(own * node["Actual Loops"]) + sum(of(part) for part in node.get("Plans", []))

    (plan,) = json.loads(plan_of(sql))
    return of(plan["Plan"])


def test_words_are_searched_in_an_index(history: list[Generation]) -> None:
    vector = SearchVector("prompt", config="simple")
    asked = Generation.objects.annotate(vector=vector).filter(
        vector=SearchQuery("zebra:*", config="simple", search_type="raw")
    )
    assert "generation_prompt_words" in asked.explain()
