"""No test depends on what came before it."""

from __future__ import annotations

import pytest

from billing.shop.models import Pack, Plan, Price


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_test_with_real_transactions_leaves_what_migrations_brought_as_it_was(when: str) -> None:
    free = Plan.objects.get(slug=Plan.FREE)
    assert (free.name, Plan.objects.count(), Pack.objects.count(), Price.objects.count()) == ("Free", 4, 3, 18)
    Plan.objects.update(name="Changed")
    Price.objects.all().delete()
