"""How the ledger's functions are called: as prepared statements, and like every other query otherwise."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from billing import ledger
from tests.billing.books import grant


def prepared() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall() if "ledger_" in statement]


@pytest.mark.django_db(transaction=True)
def test_a_call_is_prepared_from_its_sixth_time_on() -> None:
    connection.close()
    for _ in range(5):
        grant(uuid4(), 10)
    assert prepared() == []

    for _ in range(3):
        grant(uuid4(), 10)

    (statement,) = prepared()
    assert statement.startswith("SELECT ledger_grant($1, ")


@pytest.mark.django_db(transaction=True)
def test_a_prepared_call_goes_on_after_the_kernel_was_installed_anew() -> None:
    purse = uuid4()
    for _ in range(8):
        grant(purse, 10)
    assert prepared()

    with psycopg.connect(settings.DATABASE_URL, autocommit=True, dbname=connection.settings_dict["NAME"]) as other:
        other.execute("ALTER FUNCTION ledger_grant RENAME TO ledger_grant_of_yesterday")
        other.execute((Path(settings.BASE_DIR) / "billing" / "ledger.sql").read_bytes())
        other.execute("DROP FUNCTION ledger_grant_of_yesterday")

    grant(purse, 10)
    assert ledger.balance(account=purse).available == 90


def test_a_call_is_one_query_among_those_that_django_logs(books: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        grant(uuid4(), 10)

    (query,) = queries
    assert query["sql"].startswith("SELECT ledger_grant($1, ")


def test_a_call_is_refused_where_the_transaction_has_failed(books: None) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            grant(uuid4(), 10)
