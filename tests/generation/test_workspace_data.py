"""A workspace's clips and credits move together, whatever else is happening to them."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation import workspace_data
from generation.models import State
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS, wait_until


def wait_until_somebody_waits() -> None:
    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            return bool(cursor.fetchone()[0])

    wait_until(is_waiting, what=lambda: "nobody waits for a lock")


@pytest.mark.django_db(transaction=True)
def test_merging_waits_for_the_row_before_it_locks_the_account(toy: Model, alice: Visitor, bob: Visitor) -> None:
    generation = factories.submitted(alice.workspace)
    errors: list[BaseException] = []

    def merge() -> None:
        try:
            with transaction.atomic():
                workspace_data.move(source=alice.workspace, into=bob.workspace)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    merging = threading.Thread(target=merge)
    with transaction.atomic():
        type(generation).objects.filter(id=generation.id).update(state=State.FAILED)
        merging.start()
        wait_until_somebody_waits()
        ledger.release(reference=generation.id)  # in a ring, PostgreSQL would end one of the two
    merging.join(PATIENCE_SECONDS)
    assert not merging.is_alive()
    assert errors == []
    generation.refresh_from_db()
    assert generation.workspace_id == bob.workspace_id
    assert ledger.receipt(reference=generation.id).released == generation.credits_quoted
