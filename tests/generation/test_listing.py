"""Pages of clips: the last costs what the first does."""

from __future__ import annotations

import json
from copy import copy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import connection
from django.db.models import Subquery
from django.test.utils import CaptureQueriesContext

from accounts.caller import Caller
from accounts.models import Visitor
from accounts.roles import BY_ROLE, Role
from catalog.models import Model
from generation.api import listing
from generation.models import Generation, GenerationQuerySet
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

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
