"""What a request sees follows who is asking, through errors, streams and staff's pages, and costs no round trip."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction
from django.http import HttpRequest
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import Settings

from accounts import tenancy
from accounts.caller import Caller, state_of
from accounts.models import Membership, Workspace
from accounts.roles import Role
from generation.models import Generation
from loremotion import row_security
from loremotion.prepared import prepared_cursor, send, send_ahead, together
from loremotion.row_security import EVERYTHING, NOTHING, Bounds, Sight, across_workspaces
from loremotion.row_security.base import DatabaseWrapper
from tests.accounts import factories
from tests.row_security.conftest import Ask
from tests.row_security.probe import PARTS, prompts
from tests.row_security.tenants import Tenant

OURS, THEIRS = UUID(int=1), UUID(int=2)


def own_connection() -> DatabaseWrapper:
    """This thread's, itself: what ``django.db.connection`` stands for."""
    own = connections[DEFAULT_DB_ALIAS]
    assert isinstance(own, DatabaseWrapper)
    return own


def in_force() -> tuple[str, str]:
    """Role and workspace as the database has them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('loremotion.workspace', true)")
        role, workspace = cursor.fetchone()
        return role, workspace or ""


@pytest.mark.django_db
def test_the_database_follows_what_is_in_sight() -> None:
    bounds = Bounds()
    assert in_force() == ("none", "")
    with row_security.enforce_bounds(bounds):
        assert in_force() == ("loremotion_web", "")
        row_security.enter(OURS)
        assert in_force() == ("loremotion_web", str(OURS))
        with across_workspaces("the test looks"):
            assert in_force() == ("none", "")
            row_security.enter(THEIRS)  # holds once the block is left
            assert in_force() == ("none", "")
        assert in_force() == ("loremotion_web", str(THEIRS))
        row_security.enter(None)
        assert in_force() == ("loremotion_web", "")
    assert in_force() == ("none", "")


@pytest.mark.django_db
def test_a_rollback_takes_no_sight_back() -> None:
    """PostgreSQL undoes settings with the transaction that made them; the next query puts them in force again."""
    with row_security.enforce_bounds(Bounds()):
        row_security.enter(OURS)
        assert in_force()[1] == str(OURS)
        with transaction.atomic():
            row_security.enter(THEIRS)
            assert in_force()[1] == str(THEIRS)
            transaction.set_rollback(True)
        assert in_force()[1] == str(THEIRS)
        with pytest.raises(DatabaseError), transaction.atomic(), across_workspaces("an error"):
            connection.cursor().execute("SELECT 1 / 0")
        assert in_force() == ("loremotion_web", str(THEIRS))


@pytest.mark.django_db(transaction=True)
def test_a_prepared_statement_sees_what_is_in_sight_each_time_that_it_is_asked() -> None:
    """Its plan is kept with the connection: for another role PostgreSQL must make another."""
    ours, theirs = (factories.visitor().workspace.id for _ in range(2))

    def seen() -> set[UUID]:
        with prepared_cursor() as cursor:
            cursor.execute("SELECT id FROM accounts_workspace WHERE id IN (%s, %s)", [ours, theirs])
            return {row[0] for row in cursor.fetchall()}

    def is_kept() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE statement LIKE '%accounts_workspace%')"
            )
            return bool(cursor.fetchone()[0])

    for _ in range(8):  # after five plans for the values at hand PostgreSQL takes one for any
        with row_security.enforce_bounds(Bounds()):
            assert seen() == set()
            for workspace in (ours, theirs):
                row_security.enter(workspace)
                assert seen() == {workspace}
                with across_workspaces("the test looks"):
                    assert seen() == {ours, theirs}
    assert is_kept()
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        row_security.enforce_bounds(Bounds()),
        prepared_cursor() as cursor,
    ):
        cursor.execute("SELECT 1 / %s", [0])
    assert seen() == {ours, theirs}


@pytest.fixture
def changing(transactional_db: None) -> Iterator[Callable[[str], None]]:
    """Gives the column ``value`` of the table ``changing`` another type, as a migration does beside requests."""

    def change(to: str) -> None:
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as own:
            own.execute(f"ALTER TABLE changing ALTER COLUMN value TYPE {to} USING value::{to}")

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE changing AS SELECT 7 AS value")
    yield change
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE changing")


def changing_value() -> object:
    with prepared_cursor() as cursor:
        cursor.execute("SELECT value FROM changing")
        return cursor.fetchone()[0]


def test_a_prepared_statement_outlives_another_type_of_what_it_selects(changing: Callable[[str], None]) -> None:
    for _ in range(8):
        assert changing_value() == 7
    changing("text")
    assert changing_value() == "7"
    for _ in range(8):
        assert changing_value() == "7"
    changing("integer")
    with row_security.enforce_bounds(Bounds()):  # the change of sight goes before it in the same message
        assert changing_value() == 7
        assert in_force() == ("loremotion_web", "")


def test_statements_that_are_sent_together_outlive_it_as_well(changing: Callable[[str], None]) -> None:
    def both() -> list[object]:
        return [
            answer()[0]
            for answer in together(
                lambda: send("SELECT value FROM changing", []), lambda: send("SELECT value || %s FROM changing", ["!"])
            )
        ]

    for _ in range(8):
        assert both() == [7, "7!"]
    changing("text")
    for _ in range(8):
        assert both() == ["7", "7!"]
    with row_security.enforce_bounds(Bounds()):
        assert both() == ["7", "7!"]
        assert in_force() == ("loremotion_web", "")


def test_what_fails_among_statements_that_are_sent_together_leaves_no_sight_that_is_not_in_force(
    transactional_db: None,
) -> None:
    with row_security.enforce_bounds(Bounds()):
        for workspace in (OURS, THEIRS):
            row_security.enter(workspace)
            with pytest.raises(DatabaseError):
                together(lambda: send("SELECT 1 / %s", [0]), lambda: send("SELECT 1", []))
            assert in_force() == ("loremotion_web", str(workspace))


def test_within_a_transaction_another_type_fails_one_request_at_most(changing: Callable[[str], None]) -> None:
    for _ in range(8):
        assert changing_value() == 7
    changing("text")
    with pytest.raises(DatabaseError, match="cached plan"), transaction.atomic():
        changing_value()
    for _ in range(2):
        with transaction.atomic():
            assert changing_value() == "7"


@pytest.fixture
def hasty(transactional_db: None) -> Iterator[None]:
    """The connection waits for no lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 1")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


def locked_out(act: Callable[[], object]) -> None:
    """Do it while a migration has the table."""
    with psycopg.connect(**connection.get_connection_params()) as migration:
        migration.execute("LOCK TABLE changing")
        with pytest.raises(DatabaseError, match="lock timeout"):
            act()


def sent_value() -> object:
    (answer,) = together(lambda: send("SELECT value FROM changing", []))
    return answer()[0]


def value_in_another_sight() -> object:
    """The change of sight goes before it in the same message."""
    with row_security.enforce_bounds(Bounds()), across_workspaces("the test looks"):
        own_connection().in_force = None
        return changing_value()


@pytest.mark.parametrize("value", [sent_value, value_in_another_sight])
def test_a_statement_that_could_not_be_prepared_is_asked_again(
    changing: Callable[[str], None], hasty: None, value: Callable[[], object]
) -> None:
    assert value() == 7
    locked_out(value)  # where it is to be prepared: the second time
    for _ in range(4):
        assert value() == 7
    connection.cursor().execute("SELECT 1")


@pytest.mark.parametrize("value", [sent_value, value_in_another_sight])
def test_within_a_transaction_one_that_could_not_be_prepared_fails_once_at_most(
    changing: Callable[[str], None], hasty: None, value: Callable[[], object]
) -> None:
    value()
    locked_out(value)
    with pytest.raises(DatabaseError, match="does not exist"), transaction.atomic():
        value()
    for _ in range(4):
        with transaction.atomic():
            assert value() == 7
        assert value() == 7


def test_a_statement_that_was_skipped_for_another_one_is_asked_again(transactional_db: None) -> None:
    def both(divisor: int) -> list[object]:
        return [
            answer()[0]
            for answer in together(
                lambda: send("SELECT 6 / %s::integer", [divisor]), lambda: send("SELECT 1 + %s::integer", [1])
            )
        ]

    assert both(3) == [2, 2]
    for _ in range(2):
        with pytest.raises(DatabaseError, match="division by zero"):
            both(0)
        for _ in range(3):
            assert both(3) == [2, 2]


def test_what_is_prepared_is_forgotten_as_often_as_that_is_needed(changing: Callable[[str], None]) -> None:
    """Also where nothing was prepared yet the first time."""
    refused = "SELECT value FROM changing GROUP BY value FOR UPDATE"  # is not supported, ever
    for _ in range(2):
        with pytest.raises(DatabaseError, match="FOR UPDATE"), connection.cursor() as cursor:
            cursor.execute(refused)
        for _ in range(3):
            assert changing_value() == 7


@pytest.mark.django_db
def test_an_error_in_the_first_query_leaves_no_sight_that_is_not_in_force() -> None:
    with row_security.enforce_bounds(Bounds()):
        for workspace in (OURS, THEIRS):
            row_security.enter(workspace)
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column")
            assert in_force() == ("loremotion_web", str(workspace))


@pytest.mark.django_db
def test_statements_that_want_to_be_alone_are_bound_as_well() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seen (role text)")
        cursor.execute("GRANT INSERT ON seen TO loremotion_web")
    with row_security.enforce_bounds(Bounds()), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO seen VALUES (current_setting(%s))", [["role"], ["role"]])
    with row_security.enforce_bounds(Bounds()), connection.cursor() as cursor:
        row_security.enter(OURS)
        cursor.execute("DO $$ BEGIN INSERT INTO seen VALUES (current_setting('loremotion.workspace')); END $$")
    with connection.cursor() as cursor:
        cursor.execute("SELECT role FROM seen")
        assert [role for (role,) in cursor.fetchall()] == ["loremotion_web", "loremotion_web", str(OURS)]


def test_rows_that_come_in_portions_are_bound_as_well(ours: Tenant, theirs: Tenant) -> None:
    """``iterator()`` reads through a cursor of the server's."""
    with row_security.enforce_bounds(Bounds()):
        row_security.enter(ours.workspace.id)
        found = Generation.objects.all().iterator(chunk_size=1)
        assert [generation.prompt for generation in found] == ["the prompt of ours"]


def test_outside_a_request_everything_is_seen_and_nothing_is_entered() -> None:
    row_security.enter(OURS)
    row_security.lift()
    assert row_security.sight() == EVERYTHING


def test_a_process_that_serves_requests_sees_nothing_outside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_security, "_outside_requests", EVERYTHING)
    row_security.bind_process()
    assert row_security.sight() == NOTHING
    with row_security.enforce_bounds(Bounds()):
        row_security.enter(OURS)
        assert row_security.sight() == Sight(OURS)
    assert row_security.sight() == NOTHING


def test_after_an_error_the_next_request_sees_its_own(ours: Tenant, theirs: Tenant, ask: Ask) -> None:
    def fail(request: HttpRequest) -> None:
        with transaction.atomic():
            assert prompts() == "the prompt of ours"
            raise RuntimeError("in the middle")

    ours.browser.raise_request_exception = False
    for _ in range(2):
        with pytest.raises(AssertionError, match=r"500|internal|broke"):
            ask(ours.browser, fail)
        assert ask(theirs.browser, lambda _: prompts()) == "the prompt of theirs"
        assert ask(Client(), lambda _: prompts()) == ""


def test_switching_workspaces_switches_what_is_seen(ours: Tenant, theirs: Tenant, ask: Ask) -> None:
    Membership.objects.create(workspace=theirs.workspace, user=ours.owner, role=Role.VIEWER)
    assert ask(ours.browser, lambda _: prompts()) == "the prompt of ours"
    assert ours.browser.post(f"/workspaces/{theirs.workspace.id}/switch/").status_code == 302
    assert ask(ours.browser, lambda _: prompts()) == "the prompt of theirs"
    page = ours.browser.get("/workspaces/").content.decode()
    assert "ours" in page
    assert "theirs" in page


def test_once_it_is_forgotten_who_asks_nothing_is_seen(ours: Tenant, ask: Ask) -> None:
    def forget(request: HttpRequest) -> list[str]:
        tenancy.forget(request)
        before = prompts()
        tenancy.caller_of(request)
        return [before, prompts()]

    assert ask(ours.browser, forget) == ["", "the prompt of ours"]


# --- what is streamed --------------------------------------------------------------------------------------------


def test_a_stream_sees_what_its_request_saw(ours: Tenant, theirs: Tenant) -> None:
    mine, others = ours.browser.get("/probe/stream"), theirs.browser.get("/probe/stream")
    assert prompts() == "the prompt of ours,the prompt of theirs"  # the requests are over, and this is none
    parts = zip(mine.streaming_content, others.streaming_content, strict=True)  # type: ignore[attr-defined]
    assert list(parts) == [(b"the prompt of ours\n", b"the prompt of theirs\n")] * PARTS


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_stream_sees_what_its_request_saw(ours: Tenant, theirs: Tenant) -> None:
    async def read() -> list[tuple[bytes, bytes]]:
        streams = []
        for tenant in (ours, theirs):
            client = AsyncClient()
            client.cookies.update(tenant.browser.cookies)
            answer: Any = await client.get("/probe/stream-async")
            streams.append(aiter(answer.streaming_content))
        return [(await anext(streams[0]), await anext(streams[1])) for _ in range(PARTS)]

    assert async_to_sync(read)() == [(b"the prompt of ours\n", b"the prompt of theirs\n")] * PARTS


# --- staff -------------------------------------------------------------------------------------------------------


def test_staff_sees_everything_on_the_admins_pages_and_nowhere_else(ours: Tenant, theirs: Tenant, ask: Ask) -> None:
    staff = factories.browser_of(factories.person("staff@example.org", is_staff=True))

    def after_asking_who(request: HttpRequest) -> str:
        tenancy.caller_of(request)  # as the admin's own templates do
        return prompts()

    assert ask(staff, after_asking_who, "/admin/probe/") == "the prompt of ours,the prompt of theirs"
    assert ask(staff, lambda _: prompts()) == ""
    for other in (ours.browser, ours.program, Client()):
        assert "theirs" not in ask(other, lambda _: prompts(), "/admin/probe/")


# --- what it costs -----------------------------------------------------------------------------------------------


def round_trips_of(act: Callable[[], Any]) -> int:
    """How often PostgreSQL's answer was waited for: after a simple query, and where others end (``Sync``), as libpq
    itself notes them."""
    assert connection.connection is not None
    wire = connection.connection.pgconn
    with tempfile.TemporaryFile() as notes:
        wire.trace(notes.fileno())
        try:
            act()
        finally:
            wire.untrace()
        notes.seek(0)
        return sum(b"\tQuery\t" in line or line.rstrip().endswith(b"\tSync") for line in notes)


@pytest.mark.parametrize("who", ["browser", "program", "visitor"])
@pytest.mark.parametrize("page", ["/v1/videos", "/"])
def test_the_wall_costs_no_round_trip(ours: Tenant, settings: Settings, who: str, page: str) -> None:
    client = factories.browser_of(factories.visitor()) if who == "visitor" else getattr(ours, who)
    for _ in range(2):  # what is done once a day or once a minute is done, and known to be
        client.get(page)
    with_wall = round_trips_of(lambda: client.get(page))
    settings.ROW_LEVEL_SECURITY = False
    assert own_connection().in_force is not None
    connection.cursor().execute("SELECT 1")  # back to everything in sight, which is not to be counted
    assert with_wall == round_trips_of(lambda: client.get(page)) > 0


def test_finding_out_who_asks_is_one_query_with_the_wall(ours: Tenant) -> None:
    sent = ours.program.defaults["HTTP_AUTHORIZATION"]
    request = RequestFactory().get("/v1/videos", headers={"Authorization": sent})

    def recognise() -> None:
        with row_security.enforce_bounds(Bounds()):
            assert tenancy.caller_of(request).key == ours.key
            assert prompts() == "the prompt of ours"

    recognise()
    state_of(request).caller = None
    assert round_trips_of(recognise) == 2


def test_a_visitor_is_found_in_one_query_and_has_every_field(db: None) -> None:
    visitor = factories.visitor()
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    request.COOKIES = {key: morsel.value for key, morsel in factories.browser_of(visitor).cookies.items()}
    found: list[Caller] = []

    def recognise() -> None:
        with row_security.enforce_bounds(Bounds()):
            found.append(tenancy.caller_of(request))
            assert Workspace.objects.get() == visitor.workspace

    factories.visitor()  # somebody else's, whom the last line does not see
    assert round_trips_of(recognise) == 2
    workspace = found[0].workspace
    assert workspace is not None
    by_name = {field.attname: getattr(workspace, field.attname) for field in Workspace._meta.concrete_fields}
    assert by_name == Workspace.objects.filter(id=visitor.workspace_id).values().get()


@pytest.mark.django_db(transaction=True)
def test_statements_that_are_sent_together_leave_in_one_message_when_an_answer_is_read() -> None:
    """psycopg would send each as soon as it is there, and PostgreSQL wake up for each."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:

        def is_held(lock: int) -> bool:
            row = other.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND pid = %s)",
                [lock, pid],
            ).fetchone()
            return row is not None and bool(row[0])

        with transaction.atomic():
            with send_ahead():
                first, second = (send("SELECT %s, pg_advisory_xact_lock(%s)", [lock, lock]) for lock in (11, 12))
                assert not is_held(11)
                assert first()[0] == 11
                assert is_held(12)
                send("SELECT pg_advisory_xact_lock(%s)", [13])
                assert not is_held(13)
            assert second()[0] == 12
            assert is_held(13)


@pytest.mark.django_db(transaction=True)
def test_what_fails_among_statements_that_are_sent_together_is_heard_where_its_answer_is_read() -> None:
    def ask() -> None:
        with send_ahead():
            fails, skipped = send("SELECT 1 / %s", [0]), send("SELECT %s", [1])
            with pytest.raises(DatabaseError, match="division by zero"):
                fails()
            skipped()

    with pytest.raises(DatabaseError), transaction.atomic():
        ask()
    assert send("SELECT %s", [1])() == (1,)
