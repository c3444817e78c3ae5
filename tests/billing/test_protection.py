"""The database refuses what would make the books wrong, whoever asks: even the role that owns the tables."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import Error, IntegrityError, connection, transaction

from billing import ledger
from billing.models import Account, Entry, Hold, Lot, Transaction
from tests.billing.books import balance, grant, hold, lot

pytestmark = pytest.mark.usefixtures("books")

ME, STRANGER, VISITOR, MEMBER, REQUEST = (uuid4() for _ in range(5))


@pytest.fixture(autouse=True)
def two_accounts(books: None) -> None:
    begin()


def begin() -> None:
    """Two accounts with credits, one of them with an open hold and a settled one, and a third that was merged away."""
    for account in (ME, STRANGER):
        grant(account, 100, reference=f"pack {account}")
    hold(ME, 30, reference=REQUEST)
    ledger.merge(source=VISITOR, into=MEMBER, reference="sign-in")
    ledger.capture(reference=hold(ME, 10))
    connection.check_constraints()


def run(sql: str, parameters: dict[str, Any] | None = None) -> None:
    """Run one statement, and let the checks that wait for the commit happen now."""
    names: dict[str, Any] = {
        "me": ME,
        "stranger": STRANGER,
        "member": MEMBER,
        "request": REQUEST,
        "my_lot": lot(f"pack {ME}").id,
    }
    names |= {"their_lot": lot(f"pack {STRANGER}").id, "another": uuid4()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, names | (parameters or {}))
        connection.check_constraints()


PROTECTED = {
    "an entry is changed": "UPDATE ledger_entry SET amount = amount + 1 WHERE account_id = %(me)s",
    "an entry is deleted": "DELETE FROM ledger_entry WHERE account_id = %(me)s",
    "a transaction is changed": "UPDATE ledger_transaction SET reason = 'none' WHERE account_id = %(me)s",
    "a transaction is deleted": "DELETE FROM ledger_transaction WHERE account_id = %(me)s",
    "entries are emptied": "TRUNCATE ledger_entry",
    "transactions are emptied": "TRUNCATE ledger_transaction CASCADE",
    "accounts are emptied": "TRUNCATE ledger_account CASCADE",
    "lots are emptied": "TRUNCATE ledger_lot CASCADE",
    "holds are emptied": "TRUNCATE ledger_hold",
    "a balance is raised": "UPDATE ledger_account SET available = available + 1 WHERE id = %(me)s",
    "a debt is forgotten": "UPDATE ledger_account SET debt = 0 WHERE id = %(me)s",
    "an account is given to another": "UPDATE ledger_account SET id = %(another)s WHERE id = %(me)s",
    "a merged one is given back": "UPDATE ledger_account SET merged_into_id = NULL WHERE merged_into_id = %(member)s",
    "an account is deleted": "DELETE FROM ledger_account WHERE id = %(me)s",
    "an account is born full": "INSERT INTO ledger_account (id, available) VALUES (%(another)s, 5)",
    "an account is born in the middle of its history": "INSERT INTO ledger_account (id, seq) VALUES (%(another)s, 5)",
    "an account is born with a past": "INSERT INTO ledger_account (id, head) VALUES (%(another)s, 'abc')",
    "a lot is raised": "UPDATE ledger_lot SET issued = issued + 1, remaining = remaining + 1 WHERE id = %(my_lot)s",
    "a lot is given to another": "UPDATE ledger_lot SET account_id = %(stranger)s WHERE id = %(my_lot)s",
    "a lot lives longer": "UPDATE ledger_lot SET expires_at = NULL WHERE id = %(my_lot)s",
    "a lot is deleted": "DELETE FROM ledger_lot WHERE id = %(my_lot)s",
    "a lot is born full": (
        "INSERT INTO ledger_lot (account_id, reference, kind, priority, granted_at, issued, remaining) "
        "VALUES (%(me)s, 'mint', 'pack', 1, now(), 5, 5)"
    ),
    "a lot is born moved": (
        "INSERT INTO ledger_lot (account_id, reference, kind, priority, granted_at, issued, moved) "
        "VALUES (%(me)s, 'mint', 'pack', 1, now(), 0, 5)"
    ),
    "a lot is born forgiven": (
        "INSERT INTO ledger_lot (account_id, reference, kind, priority, granted_at, issued, forgiven) "
        "VALUES (%(me)s, 'mint', 'pack', 1, now(), 0, -5)"
    ),
    "a hold is raised": "UPDATE ledger_hold SET amount = 31 WHERE id = %(request)s",
    "a settled hold is opened": (
        "UPDATE ledger_hold SET state = 'open', captured = 0, settled_at = NULL, settled_seq = NULL "
        "WHERE account_id = %(me)s AND state = 'captured'"
    ),
    "a settled hold is settled again": (
        "UPDATE ledger_hold SET state = 'released', released = amount, captured = 0 "
        "WHERE account_id = %(me)s AND state = 'captured'"
    ),
    "a hold is settled for more than was held": (
        "UPDATE ledger_hold SET amount = 31, state = 'captured', captured = 31, settled_at = now(), "
        "settled_seq = held_seq WHERE id = %(request)s"
    ),
    "a quote is changed": "UPDATE ledger_hold SET quote = '{}' WHERE id = %(request)s",
    "a hold is deleted": "DELETE FROM ledger_hold WHERE id = %(request)s",
    "an entry joins an old transaction": (
        "INSERT INTO ledger_entry (account_id, seq, leg, lot_id, code, amount) "
        "VALUES (%(me)s, 1, 8, %(my_lot)s, 'available', 5), (%(me)s, 1, 9, %(my_lot)s, 'issued', -5)"
    ),
}


@pytest.mark.parametrize("sql", PROTECTED.values(), ids=PROTECTED)
def test_it_is_refused_that(sql: str) -> None:
    before = balance(ME), balance(STRANGER)
    with pytest.raises(Error) as refused:
        run(sql)
    assert getattr(refused.value.__cause__, "sqlstate", None) == "LM403"
    assert (balance(ME), balance(STRANGER)) == before


def refused() -> set[str]:
    """Which of those the ledger refuses now."""
    found = set()
    for name, sql in PROTECTED.items():
        try:
            with transaction.atomic():
                run(sql)
                raise Undone
        except Undone:
            continue
        except Error as error:
            if getattr(error.__cause__, "sqlstate", None) == "LM403":
                found.add(name)
    return found


class Undone(Exception):
    """It was not refused, and is taken back."""


def test_each_trigger_refuses_something_that_nothing_else_does() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgfoid = 'ledger_refuse'::regproc")
        triggers = cursor.fetchall()
        assert len(triggers) > 10
        assert refused() == set(PROTECTED)
        for table, trigger in triggers:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            assert refused() < set(PROTECTED), f"{trigger} on {table} could be dropped and no test would notice"
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


POST = """
    WITH posted AS (
        INSERT INTO ledger_transaction (account_id, seq, kind, reference, request, response, actor, reason,
            available, held, debt, previous_hash, hash, created_at)
        SELECT id, seq + 1, 'grant', 'mint', '{}', '{}', '', '', available + %(adds)s, held, debt, head, 'x', now()
        FROM ledger_account WHERE id = %(me)s RETURNING account_id, seq
    )
    INSERT INTO ledger_entry (account_id, seq, leg, lot_id, code, amount)
    SELECT account_id, seq, leg, lot, code, amount FROM posted, (VALUES %(legs)s) AS leg (leg, lot, code, amount)
"""


def post(adds: int, legs: str) -> None:
    run(POST.replace("%(adds)s", str(adds)).replace("%(legs)s", legs))


@pytest.mark.parametrize(
    "legs",
    [
        "(1, %(my_lot)s, 'available', 5)",
        "(1, %(my_lot)s, 'available', 5), (2, %(my_lot)s, 'issued', -4)",
    ],
)
def test_a_transaction_that_does_not_sum_to_zero_cannot_commit(legs: str) -> None:
    with pytest.raises(IntegrityError):
        post(5, legs)


def test_the_zero_sum_is_looked_at_when_the_transaction_is_whole() -> None:
    """No CHECK of a single row can see it: with those out of the way, the commit still refuses."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ledger_lot DROP CONSTRAINT ledger_lot_is_sound")
        with pytest.raises(IntegrityError, match="does not sum to zero"):
            post(5, "(1, %(my_lot)s, 'available', 5)")
        transaction.set_rollback(True)


def test_lots_are_balanced_one_by_one() -> None:
    second = grant(ME, 10, reference="second")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ledger_lot DROP CONSTRAINT ledger_lot_is_sound")
        with pytest.raises(IntegrityError, match="does not sum to zero"):
            post(0, f"(1, %(my_lot)s, 'available', 5), (2, {lot(second).id}, 'available', -5)")
        transaction.set_rollback(True)


def test_a_transaction_without_entries_cannot_commit() -> None:
    with pytest.raises(IntegrityError, match="has no entries"):
        run(POST.split("WITH posted AS (")[1].split("RETURNING")[0].replace("%(adds)s", "0"))


def test_entries_cannot_say_other_than_their_transactions_balance() -> None:
    with pytest.raises(Error, match="its balances must be theirs"):
        post(50, "(1, %(my_lot)s, 'available', 5), (2, %(my_lot)s, 'issued', -5)")


def test_nothing_can_be_taken_below_zero() -> None:
    with pytest.raises(IntegrityError, match="is_sound"):
        post(-100, "(1, %(my_lot)s, 'available', -100), (2, %(my_lot)s, 'consumed', 100)")


def test_an_entry_cannot_name_another_tenants_lot() -> None:
    with pytest.raises(IntegrityError, match="foreign key"):
        post(5, "(1, %(their_lot)s, 'available', 5), (2, %(their_lot)s, 'issued', -5)")


def test_an_entry_cannot_join_another_tenants_transaction() -> None:
    with pytest.raises(Error, match="entries join only the next transaction of their account"):
        run(
            "INSERT INTO ledger_entry (account_id, seq, leg, lot_id, code, amount) "
            "SELECT %(stranger)s, seq + 1, leg, %(their_lot)s, code, amount FROM ledger_account, "
            "(VALUES (1, 'available', 5), (2, 'issued', -5)) AS leg (leg, code, amount) WHERE id = %(me)s"
        )


def test_a_hold_cannot_name_another_tenants_transaction() -> None:
    grant(ME, 1)
    with pytest.raises(IntegrityError, match="foreign key"):
        run(
            "INSERT INTO ledger_hold (id, account_id, amount, quote, expires_at, held_at, held_seq) "
            "SELECT %(another)s, %(stranger)s, 5, '{}', now(), now(), seq FROM ledger_account WHERE id = %(me)s"
        )


def test_djangos_models_cannot_write_either() -> None:
    for write in (
        lambda: Account.objects.filter(id=ME).update(available=1000),
        lambda: Lot.objects.filter(account=ME).delete(),
        lambda: Entry.objects.filter(account=ME).update(amount=1),
        lambda: Transaction.objects.filter(account=ME).update(reason="x"),
        lambda: Hold.objects.filter(account=ME).delete(),
    ):
        with pytest.raises(Error, match="append-only"), transaction.atomic():
            write()


def test_a_role_that_may_only_use_the_ledger_can_do_that_and_nothing_else() -> None:
    grants = """
        CREATE ROLE ledger_user NOLOGIN BYPASSRLS; -- for everybody's ledger, not for one workspace's
        GRANT SELECT ON ledger_account, ledger_lot, ledger_transaction, ledger_entry, ledger_hold, ledger_allocation,
            ledger_violations TO ledger_user;
        SET LOCAL ROLE ledger_user;
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(grants)
        request = hold(ME, 5)
        ledger.capture(reference=request)
        grant(ME, 5)
        ledger.adjust(account=ME, reference="ticket", amount=-1, actor="ada", reason="why not")
        ledger.merge(source=ME, into=STRANGER, reference="sign-in")
        connection.check_constraints()
        assert balance(STRANGER) == (159, 0, 0)
        assert ledger.violations() == []
        for forbidden in (
            "INSERT INTO ledger_account (id) VALUES (%(another)s)",
            "UPDATE ledger_account SET merged_into_id = NULL WHERE id = %(me)s",
            "SELECT ledger_post(%(me)s, 'grant', 'mint', '{}', '{}', '{}', now())",
            "SELECT ledger_lock(%(me)s)",
            "SELECT ledger_forward(%(me)s)",
        ):
            with pytest.raises(Error, match="permission denied"):
                run(f"SET LOCAL ROLE ledger_user; {forbidden}")
        transaction.set_rollback(True)


def test_a_rule_means_what_it_says_whatever_the_search_path() -> None:
    """A function of the same name, in a schema that is looked at first, must not answer in the rule's place."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA elsewhere")
            cursor.execute("CREATE FUNCTION elsewhere.length(text) RETURNS integer IMMUTABLE RETURN 1")
            cursor.execute("SET LOCAL search_path = elsewhere, pg_catalog, public")
        with pytest.raises(IntegrityError, match="ledger_lot_is_sound"):
            run(
                "INSERT INTO ledger_lot (account_id, reference, kind, priority, granted_at) "
                "VALUES (%(me)s, '', 'pack', 1, now())"
            )
        transaction.set_rollback(True)
