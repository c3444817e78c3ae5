"""Plans keep what they allowed when the column says what it always meant."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from billing.shop.models import Plan


def migrate(name: str = "") -> None:
    """To the migration of this name, or to the last ones of all apps: the tests after this one find every table."""
    # Not the command, after which the tests' own rows are put back into columns that are not there.
    executor = MigrationExecutor(connection)
    executor.migrate([("shop", name)] if name else executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_three_times_the_old_figure_may_be_open_as_before() -> None:
    Plan.objects.create(slug="old", name="Old", open_clips=6)
    Plan.objects.create(slug="vast", name="Vast", open_clips=32_767)
    try:
        migrate("0007_account")
        with connection.cursor() as cursor:
            cursor.execute("SELECT slug, concurrency FROM shop_plan WHERE slug IN ('old', 'vast') ORDER BY slug")
            assert cursor.fetchall() == [("old", 2), ("vast", 10_923)]
    finally:
        migrate()
    assert dict(Plan.objects.filter(slug__in=["old", "vast"]).values_list("slug", "open_clips")) == {
        "old": 6,
        "vast": 32_767,
    }
