"""The ledger's functions are called with arguments that the database binds, and like every other query otherwise."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from tests.billing.books import grant


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
