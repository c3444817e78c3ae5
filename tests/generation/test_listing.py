"""Pages of clips: the last costs what the first does."""

from __future__ import annotations

import json
from copy import copy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import Visitor
from catalog.models import Model
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
    assert rows_thrown_away(own.older_than(history[-depth])) <= 1
    assert rows_thrown_away(own.newer_than(history[depth])) <= 1


def test_of_one_moment_the_id_decides(toy: Model, alice: Visitor) -> None:
    low, middle, high = sorted((factories.submitted(alice.workspace) for _ in range(3)), key=lambda each: each.id)
    Generation.objects.update(created_at=low.created_at)
    middle.refresh_from_db()
    assert list(Generation.objects.older_than(middle)) == [low]
    assert list(Generation.objects.newer_than(middle)) == [high]


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
