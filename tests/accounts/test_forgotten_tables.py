"""No table that carries a workspace is forgotten when a workspace is exported, erased or merged.

Tables are found in PostgreSQL's own catalogue, as those without a row policy are. What a table is excepted from stands
below with the reason.
"""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from accounts import erasure, exports, workspaces
from accounts.caller import Caller
from accounts.models import Ban, Visitor
from accounts.roles import BY_ROLE, Role
from tests.generation import factories as generations
from tests.row_security.tenants import Tenant, carriers, tenant

BOOKS = "the books keep it, and it names nobody"
LEDGER = dict.fromkeys(("ledger_account", "ledger_lot", "ledger_transaction", "ledger_entry", "ledger_hold"), BOOKS)
OF_TEAMS = "a visitor's workspace, which alone is merged, has none"

NOT_EXPORTED = {
    "accounts_ban": "it is the staff's, and no member's to see",
    "accounts_visitor": "it holds nothing but when a browser came",
    "accounts_workspace": "whoever exports it has its row in hand",
    "generation_spentday": "it is the sum of what clips cost",
    "ledger_account": "its balance is the sum of the movements",
    "ledger_lot": "what is in it is the sum of the movements",
    "shop_customer": "it holds nothing but the number that Stripe gave",
    "storyboards_sequel": "it says which open clip waits for which, and is gone once that has ended",
    "shop_order": "what was paid stands in the payments",
}
OUTLIVES_ERASURE = LEDGER | {
    "generation_spentday": BOOKS,
    "notices_notice": "what was reported and decided is counted, and says no more whose it was",
    "shop_customer": "Stripe's late events are about it",
    "shop_order": BOOKS,
    "shop_payment": BOOKS,
    "shop_subscription": BOOKS,
}
STAYS_IN_MERGER = {
    "accounts_apikey": OF_TEAMS,
    "accounts_invitation": OF_TEAMS,
    "accounts_membership": OF_TEAMS,
    "shop_budget": "the other one's limits stay its own",
    "shop_customer": "the other one stays whom Stripe knows",
}

Keys = dict[str, set[str]]


def keys() -> Keys:
    """Table that carries a workspace → primary keys of all its rows."""
    found = {}
    with connection.cursor() as cursor:
        for table in carriers():
            cursor.execute(
                "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey) "
                "WHERE indisprimary AND indrelid = %s::regclass",
                [table],
            )
            columns = ", ".join(name for (name,) in cursor.fetchall())
            cursor.execute(f"SELECT jsonb_build_array({columns})::text FROM {table}")  # noqa: S608 - names of its own
            found[table] = {key for (key,) in cursor.fetchall()}
    return found


def without(some: Keys, others: Keys) -> Keys:
    return {table: rows - others.get(table, set()) for table, rows in some.items()}


@pytest.fixture
def ours(db: None) -> Tenant:
    generations.model()
    return tenant("ours")


@pytest.fixture
def theirs(ours: Tenant) -> Tenant:
    return tenant("theirs")


def unread_by_export(of: Tenant) -> list[str]:
    """Tables at which an export does not look."""
    with CaptureQueriesContext(connection) as queries:
        for _ in exports.zip_export(Caller(of.workspace, BY_ROLE[Role.OWNER])):
            pass  # what is in the files is read as they are sent
    read = set(re.findall(r"\w+", " ".join(query["sql"] for query in queries)))
    return sorted({*carriers()} - read - {*NOT_EXPORTED})


def left_by_erasure(of: Tenant, rows: Keys) -> list[str]:
    """Tables in which some of these rows are left when their owner is erased."""
    with TestCase.captureOnCommitCallbacks(execute=True):  # files go then, and their rows after them
        erasure.erase_person(of.owner)
    now = keys()
    return sorted(table for table in rows if rows[table] & now[table] and table not in OUTLIVES_ERASURE)


def left_by_merger(source: Tenant, into: Tenant) -> list[str]:
    """Tables that still say that a row is ``source``'s when all that it had is ``into``'s."""
    Ban.objects.all().delete()  # whoever is banned is not merged
    visitors = [Visitor.objects.get(workspace=tenant.workspace) for tenant in (source, into)]
    workspaces.unite(visitor=visitors[0], into=visitors[1])
    left = []
    with connection.cursor() as cursor:
        for table in carriers():
            cursor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attname ~ %s",
                [table, "^(workspace|tenant)(_id)?$"],
            )
            for (column,) in cursor.fetchall():
                cursor.execute(f"SELECT FROM {table} WHERE {column}::text = %s", [str(source.workspace.id)])
                left += [table] if cursor.rowcount else []
    return sorted({*left} - {*STAYS_IN_MERGER})


@pytest.mark.django_db
def test_the_tenants_of_these_tests_have_rows_wherever_one_can_be() -> None:
    generations.model()
    empty = keys()
    tenant("ours")
    unfilled = sorted(table for table, rows in without(keys(), empty).items() if not rows)
    assert not unfilled, f"Have tenant() of tests/row_security/tenants.py leave a row in {unfilled}"


def test_an_export_looks_at_every_table(ours: Tenant) -> None:
    missing = unread_by_export(ours)
    assert not missing, f"Have a module of settings.WORKSPACE_DATA export {missing}, or say above why not"


@pytest.mark.django_db
def test_an_erasure_leaves_nothing_that_is_not_meant_to_stay() -> None:
    generations.model()
    empty = keys()
    ours = tenant("ours")
    left = left_by_erasure(ours, without(keys(), empty))
    assert not left, f"Have a module of settings.WORKSPACE_DATA erase {left}, or say above why it stays"


def test_a_merger_leaves_nothing_behind_that_is_not_meant_to_stay(ours: Tenant, theirs: Tenant) -> None:
    left = left_by_merger(ours, theirs)
    assert not left, f"Have a module of settings.WORKSPACE_DATA move {left}, or say above why it stays"


def test_a_new_table_that_everybody_forgot_is_noticed(ours: Tenant, theirs: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE forgotten (id bigint PRIMARY KEY, workspace_id uuid)")
        cursor.execute("INSERT INTO forgotten VALUES (1, %s), (2, %s)", [ours.workspace.id, theirs.workspace.id])
    assert unread_by_export(ours) == ["forgotten"]
    assert left_by_erasure(theirs, {"forgotten": {"[2]"}}) == ["forgotten"]


def test_a_new_table_that_mergers_forgot_is_noticed(ours: Tenant, theirs: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE forgotten (id bigint PRIMARY KEY, workspace uuid)")
        cursor.execute("INSERT INTO forgotten VALUES (1, %s)", [ours.workspace.id])
    assert left_by_merger(ours, theirs) == ["forgotten"]
