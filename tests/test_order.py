"""No test depends on what came before it."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from billing.shop.models import Pack, Plan, Price


@pytest.mark.django_db(transaction=True)
def test_what_ends_a_test_with_real_transactions_leaves_what_migrations_brought_as_it_was() -> None:
    Plan.objects.update(name="Changed")
    Price.objects.all().delete()
    Pack.objects.all().delete()
    call_command("flush", interactive=False, verbosity=0)  # as Django does then
    free = Plan.objects.get(slug=Plan.FREE)
    assert (free.name, Plan.objects.count(), Pack.objects.count(), Price.objects.count()) == ("Free", 4, 3, 18)
