"""Who is asking is found out once, however many rooms of a request want to know."""

from __future__ import annotations

from collections import Counter

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import api_keys, tenancy
from accounts.caller import Caller
from accounts.models import Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from tests.accounts import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often it was found out who is asking, by the path of the request."""
    counted: Counter[str] = Counter()
    find_caller = tenancy.find_caller

    def find(request: HttpRequest) -> Caller:
        counted[request.path] += 1
        return find_caller(request)

    monkeypatch.setattr(tenancy, "find_caller", find)
    return counted


def program() -> Client:
    """One that sends the key of a team with a plan."""
    alice = factories.person()
    studio = factories.team(alice)
    ledger.grant(account=studio.id, reference="test", amount=1_000, kind=ledger.LotKind.PACK)
    may = BY_ROLE[Role.OWNER]
    _, text = api_keys.issue(workspace=studio, by=alice, allowed=may, name="test", scopes=["generate"])
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_a_program_that_makes_a_clip_is_found_once(toy: Model, found: Counter[str]) -> None:
    answer = program().post("/v1/videos", {"prompt": "x"})
    assert answer.status_code == 200, answer.text
    assert found == {"/v1/videos": 1}


def test_a_visitor_that_makes_a_clip_is_found_once(
    toy: Model, alice: Visitor, client_of: ClientOf, found: Counter[str]
) -> None:
    answer = client_of(alice).post("/generations/", {"prompt": "x", "model": "toy"})
    assert answer.status_code == 302, answer.text
    assert found == {"/generations/": 1}


def test_a_newcomer_that_makes_a_clip_is_looked_for_once(toy: Model, client: Client, found: Counter[str]) -> None:
    answer = client.post("/generations/", {"prompt": "x", "model": "toy"})
    assert answer.status_code == 302, answer.text
    assert found == {"/generations/": 1}
    assert Generation.objects.get().workspace.is_visitor


def test_a_page_with_a_clip_is_answered_with_one_finding(
    toy: Model, alice: Visitor, client_of: ClientOf, found: Counter[str]
) -> None:
    browser = client_of(alice)
    browser.post("/generations/", {"prompt": "x", "model": "toy"})
    path = f"/generations/{Generation.objects.get().id}/"
    assert browser.get(path).status_code == 200
    assert found[path] == 1


@pytest.mark.parametrize("prompt", ["y", "z"])
def test_a_clip_costs_a_bounded_number_of_queries(toy: Model, prompt: str) -> None:
    """Statements until the transaction ends and for the answer. ``benchmarks.api`` counts what dispatch asks, too: one
    statement while its window is full."""
    client = program()
    client.post("/v1/videos", {"prompt": "x"})  # once a minute the key's use is noted
    with CaptureQueriesContext(connection) as asked:
        assert client.post("/v1/videos", {"prompt": prompt}).status_code == 200
    counted = [each["sql"] for each in asked.captured_queries if "SAVEPOINT" not in each["sql"]]
    assert len(counted) <= 8, "\n".join(sql[:160] for sql in counted)
