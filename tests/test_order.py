"""No test depends on what came before it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import TransactionTestCase

from accounts.models import User
from billing import ledger
from billing.models import Lot
from billing.shop.models import Pack, Plan, Price


@pytest.mark.django_db(transaction=True)
def test_what_ends_a_test_with_real_transactions_leaves_what_migrations_brought_as_it_was() -> None:
    brought = state()
    Plan.objects.update(name="Changed")
    Price.objects.all().delete()
    Pack.objects.all().delete()
    Permission.objects.all().delete()
    ContentType.objects.get_for_model(Plan).delete()
    User.objects.create(email="alice@example.org")
    ledger.grant(account=uuid4(), reference="test", amount=5, kind=ledger.LotKind.PACK)

    # Django calls it after each such test, and the stubs leave it out.
    TransactionTestCase()._fixture_teardown()  # type: ignore[attr-defined]

    free = Plan.objects.get(slug=Plan.FREE)
    assert (free.name, Plan.objects.count(), Pack.objects.count(), Price.objects.count()) == ("Free", 4, 3, 18)
    assert state() == brought
    assert (User.objects.count(), Lot.objects.count()) == (0, 0)
    assert ContentType.objects.get_for_model(Plan).model == "plan"
    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        assert cursor.fetchone() == ("origin",)


def state() -> list[list[object]]:
    """The rows of the tables that migrations fill."""
    return [
        list(model._default_manager.order_by("pk").values()) for model in (Plan, Pack, Price, Permission, ContentType)
    ]
