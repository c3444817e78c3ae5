"""What a request sees follows who is asking, through errors, streams and staff's pages, and costs no round trip."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import Settings

from accounts import tenancy
from accounts.caller import Caller, state_of
from accounts.models import Membership, Workspace
from accounts.roles import Role
from generation.models import Generation
from loremotion import row_security
from loremotion.row_security import EVERYTHING, NOTHING, Bounds, Sight, across_workspaces
from tests.accounts import factories
from tests.row_security.conftest import Ask
from tests.row_security.probe import PARTS, prompts
from tests.row_security.sight import OURS, THEIRS, in_force, own_connection
from tests.row_security.tenants import Tenant


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
