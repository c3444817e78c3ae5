"""What the main pages ask of the database: so many questions and no more, however much there is to show."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from billing import ledger
from tests.accounts import factories as accounts
from tests.generation import factories as clips

pytestmark = pytest.mark.django_db

MOST = {
    # page: of a newcomer, of a visitor with clips, of a member
    "/": (3, 6, 8),
    "/history/": (0, 5, 7),
    "/models/": (5, 8, 10),
    "/models/toy/": (7, 10, 12),
    "/explore/": (2, 4, 6),
    "/pricing/": (3, 6, 8),
    "/billing/": (1, 13, 15),
    "/billing/usage/": (0, 5, 9),
    "/developers/": (2, 4, 6),
    "/account/": (0, 3, 9),
    "/data/": (0, 2, 4),
    "/generations/price/": (2, 3, 5),
}
OF_MEMBERS = {
    "/workspaces/": 5,
    "/workspace/": 5,
    "/workspace/members/": 9,
    "/workspace/keys/": 7,
    "/workspace/audit/": 5,
    "/workspace/webhooks/": 6,
}


@pytest.fixture(autouse=True)
def empty_valkey(valkey: redis.Redis) -> redis.Redis:
    return valkey


@pytest.fixture
def alice(db: None) -> User:
    clips.model()
    return accounts.person()


@pytest.fixture
def studio(alice: User) -> Workspace:
    made = accounts.team(alice)
    ledger.grant(account=made.id, reference="test", amount=1_000, kind=ledger.LotKind.PACK)
    return made


def count(browser: Client, address: str) -> int:
    """The questions that one look at the page takes, once what is written on a first look is there."""
    assert browser.get(address).status_code == 200, address
    with CaptureQueriesContext(connection) as queries:
        browser.get(address)
    return len(queries)


def fill(workspace: Workspace, number: int) -> None:
    """More of everything that the pages list."""
    clips.model(f"model-{number}", is_default=False)
    clips.submitted(workspace, prompt=f"clip {number}")


@pytest.mark.parametrize("address", MOST)
def test_a_page_takes_so_many_queries_however_much_there_is(alice: User, studio: Workspace, address: str) -> None:
    User.objects.filter(id=alice.id).update(joined_at=timezone.now() - timedelta(days=60))
    visitor = accounts.visitor()
    callers = (Client(), accounts.browser_of(visitor), accounts.browser_of(alice, studio))
    for number in range(2):
        fill(studio, number)
        fill(visitor.workspace, number + 10)
        assert tuple(count(caller, address) for caller in callers) == MOST[address]


def test_a_new_member_s_first_page_asks_once_more_what_they_have_tried(alice: User, studio: Workspace) -> None:
    browser = accounts.browser_of(alice, studio)
    new = count(browser, "/")
    User.objects.filter(id=alice.id).update(joined_at=timezone.now() - timedelta(days=60))
    assert new - count(browser, "/") == 1


@pytest.mark.parametrize("address", OF_MEMBERS)
def test_a_team_s_page_takes_so_many_however_many_are_in_it(alice: User, studio: Workspace, address: str) -> None:
    browser = accounts.browser_of(alice, studio)
    for number in range(2):
        Membership.objects.create(workspace=studio, user=accounts.person(f"m{number}@example.org"), role=Role.MEMBER)
        assert count(browser, address) == OF_MEMBERS[address]


def test_a_clip_s_page_takes_so_many_however_long_the_queue_is(alice: User, studio: Workspace) -> None:
    browser, made = accounts.browser_of(alice, studio), clips.submitted(studio)
    for number in range(2):
        assert count(browser, f"/generations/{made.id}/") == 9
        fill(studio, number)
