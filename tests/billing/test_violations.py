"""The check of the books finds what no correct ledger contains, put there behind the triggers' backs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from billing import ledger
from billing.models import Lot
from billing.sql import VIOLATIONS
from tests.billing.books import LedgerClock, assert_books_are_right, balance, grant, hold, lot, spend

pytestmark = pytest.mark.django_db

ME, OTHER, REQUEST, SETTLED = uuid4(), uuid4(), uuid4(), uuid4()

SABOTAGE = {
    "a transaction does not sum to zero": (
        "UPDATE ledger_entry SET amount = amount + 1 WHERE account_id = %(me)s AND seq = 1 AND leg = 1"
    ),
    "a transaction has no entries": "DELETE FROM ledger_entry WHERE account_id = %(me)s AND seq = 2",
    "an account does not hold what its entries say": (
        "UPDATE ledger_account SET available = available + 1 WHERE id = %(me)s"
    ),
    "an account does not hold what its lots say": "UPDATE ledger_account SET held = held + 1 WHERE id = %(me)s",
    "a lot does not hold what its entries say": (
        "UPDATE ledger_lot SET consumed = consumed + 1, remaining = remaining - 1 WHERE account_id = %(me)s"
    ),
    "a lot passed on what no child received": "UPDATE ledger_lot SET parent_id = NULL WHERE parent_id IS NOT NULL",
    "debt that left one account reached no other": (
        "DELETE FROM ledger_entry WHERE lot_id IS NULL AND code = 'moved' AND amount > 0"
    ),
    "an account has set aside what no hold explains": "DELETE FROM ledger_hold WHERE id = %(request)s",
    "a hold drew something else than its amount": "UPDATE ledger_hold SET amount = 31 WHERE id = %(request)s",
    "a settlement charged something else than it says": (
        "UPDATE ledger_hold SET captured = captured - 1, released = released + 1 WHERE id = %(settled)s"
    ),
    "an account has lost count of its transactions": "UPDATE ledger_account SET seq = seq + 1 WHERE id = %(me)s",
    "the chain of transactions is broken": (
        "UPDATE ledger_transaction SET previous_hash = 'x' WHERE account_id = %(me)s AND seq = 3"
    ),
    "a transaction is not what was hashed": (
        "UPDATE ledger_transaction SET reason = 'another' WHERE account_id = %(me)s AND seq = 1"
    ),
    "an account does not end its chain": "UPDATE ledger_account SET head = 'x' WHERE id = %(me)s",
}
REWRITES = {
    "the amount of a grant": (
        "UPDATE ledger_entry SET amount = amount * 2 WHERE account_id = %(me)s AND seq = 1; "
        "UPDATE ledger_lot SET issued = issued + 100, remaining = remaining + 100 WHERE account_id = %(me)s; "
        "UPDATE ledger_account SET available = available + 100 WHERE id = %(me)s"
    ),
    "its request": "UPDATE ledger_transaction SET request = '{}' WHERE account_id = %(me)s AND seq = 2",
    "its response": "UPDATE ledger_transaction SET response = '{}' WHERE account_id = %(me)s AND seq = 2",
    "its reference": "UPDATE ledger_transaction SET reference = 'x' WHERE account_id = %(me)s AND seq = 2",
    "its kind": "UPDATE ledger_transaction SET kind = 'adjust' WHERE account_id = %(me)s AND seq = 2",
    "its actor": "UPDATE ledger_transaction SET actor = 'x' WHERE account_id = %(me)s AND seq = 2",
    "its moment": (
        "UPDATE ledger_transaction SET created_at = created_at + interval '1 us' WHERE account_id = %(me)s AND seq = 2"
    ),
    "its balances": "UPDATE ledger_transaction SET available = 1 WHERE account_id = %(me)s AND seq = 2",
    "which lot": "UPDATE ledger_entry SET lot_id = %(spare)s WHERE account_id = %(me)s AND seq = 2",
    "the order of its legs": "UPDATE ledger_entry SET leg = leg + 10 WHERE account_id = %(me)s AND seq = 2 AND leg = 1",
}


@pytest.fixture(autouse=True)
def a_history() -> None:
    grant(ME, 100)
    hold(ME, 30, reference=REQUEST)
    ledger.capture(reference=hold(ME, 20, reference=SETTLED), amount=15)
    grant(ME, 1, reference="spare")
    owing, member = OTHER, uuid4()
    spent = grant(owing, 10)
    spend(owing, 10)
    grant(owing, 4)
    ledger.clawback(reference=spent, target=10)
    ledger.merge(source=owing, into=member, reference="sign-in")
    assert balance(member) == (0, 0, 6)
    assert_books_are_right()


def sabotage(sql: str) -> None:
    """Do it as nobody can but who may switch triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql, {"me": ME, "request": REQUEST, "settled": SETTLED, "spare": lot("spare").id})
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.parametrize(("rule", "sql"), SABOTAGE.items(), ids=SABOTAGE)
def test_it_finds_that(rule: str, sql: str) -> None:
    sabotage(sql)
    assert rule in {violation.rule for violation in ledger.violations()}


def test_each_rule_of_the_view_is_broken_by_a_test() -> None:
    assert set(re.findall(r"SELECT '([a-z][^']+)'", VIOLATIONS)) == set(SABOTAGE)


@pytest.mark.parametrize("sql", REWRITES.values(), ids=REWRITES)
def test_history_cannot_be_rewritten_unnoticed(sql: str) -> None:
    sabotage(sql)
    rules = {violation.rule for violation in ledger.violations()}
    assert rules & {"a transaction is not what was hashed", "the chain of transactions is broken"}


def test_the_end_of_a_history_cannot_be_cut_off_unnoticed() -> None:
    sabotage(
        "DELETE FROM ledger_entry WHERE account_id = %(me)s AND seq = 5; "
        "DELETE FROM ledger_transaction WHERE account_id = %(me)s AND seq = 5"
    )
    assert "an account does not end its chain" in {violation.rule for violation in ledger.violations()}


def test_a_violation_says_where_and_what() -> None:
    sabotage("UPDATE ledger_account SET held = held + 1 WHERE id = %(me)s")
    found = {violation.rule: violation for violation in ledger.violations()}
    violation = found["an account has set aside what no hold explains"]
    assert (violation.account, violation.subject, violation.detail) == (ME, str(ME), "31 <> 30")


def test_no_more_violations_are_told_than_asked_for() -> None:
    sabotage("UPDATE ledger_account SET seq = seq + 1, head = 'x' WHERE id = %(me)s")
    assert len(ledger.violations(limit=1)) == 1


def test_the_check_of_what_moved_lately_leaves_the_rest_alone() -> None:
    sabotage("UPDATE ledger_account SET seq = seq + 1 WHERE id = %(me)s")
    assert ledger.violations(touched_since=datetime.now(UTC) - timedelta(hours=1))
    assert ledger.violations(touched_since=datetime.now(UTC) + timedelta(hours=1)) == []


def test_the_audit_prints_the_proof() -> None:
    out = StringIO()
    call_command("audit_ledger", stdout=out)
    said = out.getvalue()
    assert "no violation" in said
    assert re.search(r"issued +115\b", said)
    assert re.search(r"held +30\b", said)
    assert re.search(r"digest of all chains +[0-9a-f]{64}\b", said)


def test_the_audits_digest_changes_with_every_movement_and_only_then() -> None:
    def digest() -> str:
        out = StringIO()
        call_command("audit_ledger", stdout=out)
        return re.search(r"digest.+", out.getvalue())[0]  # type: ignore[index]

    before = digest()
    assert digest() == before
    grant(ME, 1)
    assert digest() != before


def test_the_audit_fails_on_a_breach_and_names_it() -> None:
    sabotage("UPDATE ledger_account SET seq = seq + 1 WHERE id = %(me)s")
    err = StringIO()
    with pytest.raises(CommandError, match="The books are wrong"):
        call_command("audit_ledger", stdout=StringIO(), stderr=err)
    assert "an account has lost count of its transactions" in err.getvalue()
    assert str(ME) in err.getvalue()


def test_an_account_whose_books_are_broken_keeps_no_other_from_lapsing() -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    broken, sound = uuid4(), uuid4()
    for account in (broken, sound):
        grant(account, 10, expires_at=soon)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE ledger_account SET available = 0 WHERE id = %s", [broken])
        cursor.execute("SET LOCAL session_replication_role = origin")
    LedgerClock.install(soon)
    assert ledger.expire_due(limit=10) == 1
    assert [lot.expired for lot in Lot.objects.filter(account__in=[broken, sound]).order_by("id")] == [0, 10]
