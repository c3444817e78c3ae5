"""Whatever a request asks for, the tables show and take the rows of its own workspace alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.test import Client
from psycopg.errors import InsufficientPrivilege
from pytest_django import Settings

from accounts.models import Membership, Workspace
from billing import ledger
from billing.models import Account, Hold
from generation.models import Clip, Generation
from loremotion.row_security import ROLE
from tests.generation import factories as generations
from tests.row_security.conftest import Ask
from tests.row_security.tenants import FILLED, OF_THE_SITE, READ_ONLY, Tenant, carriers, rows


def unprotected() -> list[str]:
    """Tables that carry a workspace and would show a request rows of another."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT relname FROM pg_class WHERE relname = ANY (%s) AND NOT (relrowsecurity AND NOT EXISTS (
                SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND (
                    NOT polpermissive OR polroles <> '{0}'
                    OR pg_get_expr(polqual, polrelid) !~ 'row_security_(workspace|purses)|generation_generation'
                )
            ))
            """,
            [[*carriers(), *OF_THE_SITE]],
        )
        return [table for (table,) in cursor.fetchall()]


@pytest.mark.django_db
def test_every_table_that_carries_a_workspace_is_behind_the_wall() -> None:
    assert set(carriers()) >= FILLED
    missing = unprotected()
    assert not missing, f"Add policies.rows_of_workspace(table) of loremotion.row_security in a migration for {missing}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "columns",
    [
        "workspace uuid",
        "workspace_id uuid",
        "maker bigint REFERENCES accounts_membership",
        "clip uuid REFERENCES generation_clip",
        "account uuid REFERENCES ledger_account",
    ],
)
def test_a_new_table_without_a_policy_is_noticed(columns: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE forgotten (id bigint, {columns})")
        assert unprotected() == ["forgotten"]
        cursor.execute("ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY; CREATE POLICY open ON forgotten USING (true)")
        assert unprotected() == ["forgotten"]


@pytest.mark.django_db
def test_no_view_looks_with_its_owners_eyes() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
                AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)
            """
        )
        assert cursor.fetchall() == []


def test_an_unscoped_query_sees_its_own_workspace_alone(
    ours: Tenant, theirs: Tenant, ask: Ask, subtests: pytest.Subtests
) -> None:
    def everything(request: HttpRequest) -> dict[str, list[str]]:
        return {table: sorted(rows(table)) for table in carriers()}

    by_key = ask(ours.program, everything)  # first, since it notes the key's use
    seen = {"ours": ask(ours.browser, everything), "theirs": ask(theirs.browser, everything)}
    nobody = ask(Client(), everything)
    for table in carriers():
        with subtests.test(table=table):
            mine, others, all_rows = set(seen["ours"][table]), set(seen["theirs"][table]), rows(table)
            assert not mine & others
            assert not set(by_key[table]) & others
            assert not [row for row in mine for mark in theirs.marks if mark in row]
            assert not [row for row in others for mark in ours.marks if mark in row]
            assert nobody[table] == []
            if table in FILLED:
                assert mine < all_rows
                assert others < all_rows
                assert by_key[table]


def test_the_orm_without_a_filter_returns_nothing_of_others(ours: Tenant, theirs: Tenant, ask: Ask) -> None:
    def through_models(request: HttpRequest) -> list[list[str]]:
        return [
            [str(row.pk) for row in Generation.objects.all()],
            [str(row.pk) for row in Clip.objects.all()],
            [str(row.pk) for row in Workspace.objects.all()],
            [str(row.workspace_id) for row in Membership.objects.all()],
            [str(row.pk) for row in Account.objects.all()],
            [str(row.pk) for row in Hold.objects.all()],
        ]

    generation, workspace = str(ours.generation.id), str(ours.workspace.id)
    own = [[generation], [generation], [workspace], [workspace], [workspace], [generation]]
    assert ask(ours.browser, through_models) == own
    assert ask(ours.program, through_models) == own
    assert ask(Client(), through_models) == [[], [], [], [], [], []]
    # The same query sees both tenants where the wall does not stand: it is the wall that hides them.
    assert len(Generation.objects.all()) == 2


def test_switched_off_there_is_no_wall(ours: Tenant, theirs: Tenant, ask: Ask, settings: Settings) -> None:
    settings.ROW_LEVEL_SECURITY = False
    assert ask(ours.browser, lambda _: Generation.objects.count()) == 2


def test_before_it_is_known_who_asks_there_is_nothing_to_see(ours: Tenant, theirs: Tenant, ask: Ask) -> None:
    count = lambda _: {table: len(rows(table)) for table in carriers()}  # noqa: E731
    assert set(ask(ours.browser, count, "/blind-probe").values()) == {0}


def test_what_concerns_the_site_is_shown_to_no_workspace(ours: Tenant, ask: Ask) -> None:
    for table in OF_THE_SITE:
        assert rows(table)
        assert ask(ours.browser, lambda _, table=table: len(rows(table))) == 0


# --- writing -----------------------------------------------------------------------------------------------------


def refused(sql: str, parameters: Any = None) -> str:
    """The SQLSTATE with which the database refuses a statement, or how many rows it touched."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            transaction.set_rollback(True)
            return str(cursor.rowcount)
    except DatabaseError as error:
        return str(getattr(error.__cause__, "sqlstate", error))


NOT_ALLOWED = "42501"
WORKSPACE_COLUMNS = {
    "accounts_workspace": "id",
    **{f"accounts_{name}": "workspace_id" for name in ("membership", "visitor", "invitation", "apikey", "auditentry")},
    "generation_generation": "workspace_id",
    **{f"shop_{name}": "workspace" for name in ("customer", "order", "subscription", "payment", "budget")},
}


def test_nothing_is_written_into_another_workspace(
    ours: Tenant, theirs: Tenant, ask: Ask, subtests: pytest.Subtests
) -> None:
    def answers(who: Client, *statements: tuple[str, str]) -> list[str]:
        answered: list[str] = ask(who, lambda _: [refused(sql, [value]) for sql, value in statements])
        return answered

    for table in (*WORKSPACE_COLUMNS, "generation_clip"):
        with subtests.test(table=table):
            column = WORKSPACE_COLUMNS.get(table, "generation_id")
            other = str(theirs.generation.id if column == "generation_id" else theirs.workspace.id)
            before = rows(table)
            their_row = next(row for row in before if other in row)
            insert = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s::jsonb)"  # noqa: S608 - a table's name
            give_away = f"UPDATE {table} SET {column} = %s"  # noqa: S608 - a table's name
            statements = ((insert, their_row), (give_away, other))
            assert answers(ours.browser, *statements) == [NOT_ALLOWED, NOT_ALLOWED]
            assert answers(Client(), *statements) == [NOT_ALLOWED, "0"]
            assert rows(table) == before


def test_an_unscoped_change_reaches_no_row_of_others(
    ours: Tenant, theirs: Tenant, ask: Ask, subtests: pytest.Subtests
) -> None:
    for table in sorted(FILLED):
        with subtests.test(table=table):
            own = ask(ours.browser, lambda _, table=table: len(rows(table)))
            columns = json.loads(next(iter(rows(table))))
            column = "account_id" if "account_id" in columns else next(iter(columns))
            update, delete = f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"  # noqa: S608 - a table's name
            touched = ask(ours.browser, lambda _, update=update: refused(update))
            assert touched == ("0" if table in READ_ONLY else str(own))
            assert ask(Client(), lambda _, delete=delete: refused(delete)) == "0"


# --- the books ---------------------------------------------------------------------------------------------------


def test_the_ledger_posts_to_ones_own_account_alone(ours: Tenant, theirs: Tenant, ask: Ask) -> None:
    held = generations.submitted(theirs.workspace)
    before = ledger.balance(account=theirs.workspace.id)

    def post(request: HttpRequest) -> list[str]:
        account = theirs.workspace.id
        said = []
        for movement in (
            lambda: ledger.hold(
                account=account, reference=ours.workspace.id, amount=1, expires_at=ours.workspace.created_at, quote={}
            ),
            lambda: ledger.grant(account=account, reference="gift", amount=1, kind=ledger.LotKind.PACK),
            lambda: ledger.capture(reference=held.id),
            lambda: ledger.release(reference=held.id),
            lambda: ledger.clawback(reference=f"test:{account}", target=5),
            lambda: ledger.adjust(account=account, reference="x", amount=-1, actor="me", reason="because"),
            lambda: ledger.merge(source=account, into=ours.workspace.id, reference="mine now"),
        ):
            try:
                with transaction.atomic():
                    movement()
                said.append("posted")
            except ledger.LedgerProtected as refusal:
                said.append(str(refusal))
        return said

    told = ask(ours.browser, post)
    assert len(told) == 7
    assert [answer for answer in told if "is not of the workspace that asks" not in answer] == []
    assert ledger.balance(account=theirs.workspace.id) == before
    assert ledger.violations(limit=5) == []


def test_a_merged_account_is_its_new_owners_to_see_and_to_settle(ours: Tenant, theirs: Tenant, ask: Ask) -> None:
    visitor = generations.visitor(credits=100)
    held = generations.submitted(visitor.workspace)
    ledger.merge(source=visitor.workspace_id, into=ours.workspace.id, reference="sign-in")

    def settle(request: HttpRequest) -> list[int]:
        state = ledger.receipt(reference=held.id)
        ledger.release(reference=held.id)
        return [state.held, ledger.receipt(reference=held.id).released]

    assert ask(ours.browser, settle) == [held.credits_quoted, held.credits_quoted]
    assert ask(theirs.browser, lambda _: Hold.objects.filter(id=held.id).count()) == 0
    assert ledger.violations(limit=5) == []


# --- the wall itself ---------------------------------------------------------------------------------------------


TAKING_IT_DOWN = (
    "ALTER TABLE generation_generation DISABLE ROW LEVEL SECURITY",
    "DROP POLICY workspace ON generation_generation",
    "CREATE POLICY more ON generation_generation USING (true)",
    "ALTER POLICY workspace ON generation_generation USING (true)",
    "ALTER TABLE generation_generation OWNER TO CURRENT_USER",
    "TRUNCATE generation_clip",
    "CREATE OR REPLACE FUNCTION row_security_workspace() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'",
    "DROP TRIGGER row_security_guard ON ledger_transaction",
    f"ALTER ROLE {ROLE} BYPASSRLS",
    "SET LOCAL row_security = off; SELECT FROM generation_generation",
    "SET LOCAL session_replication_role = replica",
)


def test_the_role_of_requests_cannot_take_the_wall_down(ours: Tenant, ask: Ask, subtests: pytest.Subtests) -> None:
    for sql in TAKING_IT_DOWN:
        with subtests.test(sql=sql):
            assert ask(ours.browser, lambda _, sql=sql: refused(sql)) == NOT_ALLOWED


@pytest.mark.django_db
def test_the_role_of_requests_owns_nothing_and_is_nobody_else() -> None:
    assert InsufficientPrivilege.sqlstate == NOT_ALLOWED
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin,
                EXISTS (SELECT FROM pg_class WHERE relowner = role.oid),
                EXISTS (SELECT FROM pg_auth_members WHERE member = role.oid)
            FROM pg_roles role WHERE rolname = %s
            """,
            [ROLE],
        )
        assert cursor.fetchall() == [(False, False, False)]
