"""The beat adds up what triggers wrote, however many keys a workspace has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generation import spending
from generation.models import SpentDay

pytestmark = pytest.mark.django_db


def add_rows(keys: Iterable[int]) -> None:
    """As a trigger writes them when each key asks for a clip."""
    sums: dict[str, Any] = {"day": timezone.now().date(), "clips": 1, "seconds": 1, "held": 0, "charged": 1}
    rows = [SpentDay(account_id=UUID(int=1), api_key_id=key, given_back=0, **sums) for key in keys]
    SpentDay.objects.bulk_create(rows)


def test_a_day_of_many_groups_is_read_once_when_it_is_added_up() -> None:
    """Else a workspace with thousands of keys keeps the beat from everything that comes after."""

    def compared(node: dict[str, Any]) -> int:
        own = int(node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"])
        return own + sum(compared(part) for part in node.get("Plans", []))

    def most_runs(node: dict[str, Any]) -> int:
        return max(int(node["Actual Loops"]), *map(most_runs, node.get("Plans", [])), 0)

    add_rows(range(300))
    spending.sum_up()
    add_rows(range(300))
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        spending.sum_up()
        transaction.set_rollback(True)
    (query,) = (query["sql"] for query in asked.captured_queries if "generation_spentday" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
        (plan,) = cursor.fetchone()[0]
    assert compared(plan["Plan"]) == 0
    assert most_runs(plan["Plan"]) == 1
    assert list(SpentDay.objects.values_list("clips", "is_summed")) == [(2, True)] * 300


def test_a_round_takes_no_more_than_its_limit_whatever_the_planner_knows_of_the_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE generation_spentday")  # empty as it is
    add_rows(range(12))
    spending.sum_up(limit=3)
    assert SpentDay.objects.filter(is_summed=False).count() == 9
