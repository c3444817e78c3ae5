"""Whoever has just signed up sees what there is to try, until all is tried or the list is closed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import api_keys
from accounts.models import Membership, User, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.models import Generation, State
from tests.accounts import factories as people
from tests.generation import factories

pytestmark = pytest.mark.django_db
TITLE = "Getting started"


@pytest.fixture
def owner(toy: Model) -> User:
    return people.person()


@pytest.fixture
def studio(owner: User) -> Workspace:
    studio = people.team(owner)
    ledger.grant(account=studio.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    return studio


@pytest.fixture
def browser(owner: User, studio: Workspace) -> Client:
    return people.browser_of(owner, studio)


def test_each_thing_that_is_done_is_ticked_and_the_list_goes_with_the_last(
    browser: Client, owner: User, studio: Workspace
) -> None:
    page = browser.get("/").text
    assert (TITLE in page, page.count('<li class="done">')) == (True, 0)
    made = factories.submitted(studio)
    Generation.objects.filter(id=made.id).update(state=State.SUCCEEDED, is_favourite=True)
    assert browser.get("/").text.count('<li class="done">') == 2
    api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="ci", scopes=["generate"])
    assert browser.get("/").text.count('<li class="done">') == 3
    Membership.objects.create(workspace=studio, user=people.person("bob@example.org"), role="member")
    assert TITLE not in browser.get("/").text


def test_it_is_closed_for_good(browser: Client) -> None:
    assert browser.post("/welcome/close/").status_code == 302
    assert TITLE not in browser.get("/").text


def test_nobody_is_asked_to_invite_people_into_a_workspace_of_their_own(owner: User) -> None:
    page = people.browser_of(owner).get("/").text
    assert TITLE in page
    assert "Invite somebody" not in page


def test_an_old_account_a_visitor_and_a_viewer_see_none(owner: User, studio: Workspace, client: Client) -> None:
    assert TITLE not in client.get("/").text
    viewer = people.person("viewer@example.org")
    Membership.objects.create(workspace=studio, user=viewer, role="viewer")
    assert TITLE not in people.browser_of(viewer, studio).get("/").text
    User.objects.filter(id=owner.id).update(joined_at=timezone.now() - timedelta(days=15))
    assert TITLE not in people.browser_of(owner, studio).get("/").text
