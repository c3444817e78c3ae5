"""A team has as many members as its plan has room for."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from accounts import invitations, seats
from accounts.models import Invitation, Membership, User, Workspace
from billing.shop.models import Plan, Subscription
from loremotion.refusals import Conflict
from tests.accounts.factories import browser_of, person, subscribe, team
from tests.accounts.test_claiming import at_once


@pytest.fixture
def three_places(db: None) -> None:
    Plan.objects.filter(slug="studio").update(members=3)


def offer(workspace: Workspace, email: str) -> Invitation:
    place = Membership.objects.select_related("user").get(workspace=workspace, role="owner")
    return invitations.invite(workspace=workspace, by=place, email=email, role="member")


def test_it_works(three_places: None, alice: User, bob: User) -> None:
    studio = team(alice, member=bob)
    owner = browser_of(alice, studio)
    assert "2 of 3 seats taken." in owner.get("/workspace/members/").text
    assert owner.post("/workspace/members/invite/", {"email": "c@example.org", "role": "viewer"}).status_code == 302
    assert "3 of 3 seats taken." in owner.get("/workspace/members/").text
    answer = owner.post("/workspace/members/invite/", {"email": "d@example.org", "role": "viewer"})
    assert answer.status_code == 409
    assert "has 3 seats on its plan, and none is free" in answer.text
    assert "Change the plan" in answer.text
    assert Invitation.objects.count() == 1


def test_a_team_without_a_plan_is_its_owner_alone(alice: User) -> None:
    with pytest.raises(Conflict, match="has 1 seat on its plan"):
        offer(team(alice, plan=""), "bob@example.org")


def test_inviting_again_and_taking_back_need_no_place_more(three_places: None, alice: User, bob: User) -> None:
    studio = team(alice, member=bob)
    made = offer(studio, "c@example.org")
    Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    offer(studio, "c@example.org")
    invitations.withdraw(Invitation.objects.get(), actor="x")
    offer(studio, "d@example.org")
    assert not Invitation.objects.filter(id=made.id).exists()


def test_an_offer_that_ran_out_keeps_no_place_and_is_not_renewed_without_one(
    three_places: None, alice: User, bob: User
) -> None:
    studio = team(alice, member=bob)
    old = offer(studio, "c@example.org")
    long_ago = timezone.now() - timedelta(days=8)
    Invitation.objects.update(sent_at=long_ago, expires_at=long_ago)
    offer(studio, "d@example.org")
    old.refresh_from_db()
    with pytest.raises(Conflict):
        invitations.resend(old, by=alice)
    invitations.withdraw(Invitation.objects.get(email="d@example.org"), actor="x")
    invitations.resend(old, by=alice)
    assert seats.count_taken(studio) == 3


def test_the_offer_of_who_may_offer_no_more_keeps_no_place(three_places: None, alice: User, bob: User) -> None:
    studio = team(alice, admin=bob)
    place = Membership.objects.select_related("user").get(workspace=studio, user=bob)
    invitations.invite(workspace=studio, by=place, email="c@example.org", role="member")
    assert seats.count_taken(studio) == 3
    User.objects.filter(id=bob.id).update(is_active=False)
    assert seats.count_taken(studio) == 2
    Membership.objects.filter(user=bob, workspace=studio).delete()
    assert seats.count_taken(studio) == 1
    offer(studio, "d@example.org")


def test_a_smaller_plan_turns_nobody_out_and_lets_nobody_in(
    three_places: None, alice: User, bob: User, carol: User
) -> None:
    studio = team(alice, member=bob)
    offered = offer(studio, carol.email)
    Subscription.objects.filter(workspace=studio.id).delete()
    with pytest.raises(Conflict):
        invitations.accept(offered, user=carol)
    assert Invitation.objects.filter(id=offered.id).exists()  # it holds once there is room again
    assert browser_of(bob, studio).get("/workspace/members/").status_code == 200
    subscribe(studio, "studio")
    assert invitations.accept(offered, user=carol).user == carol


@pytest.mark.django_db(transaction=True)
def test_two_invitations_at_once_do_not_share_the_last_place() -> None:
    Plan.objects.filter(slug="studio").update(members=2)
    studio = team(person("alice@example.org"))
    problems = at_once(partial(offer, studio, "b@example.org"), partial(offer, studio, "c@example.org"))
    assert [type(problem) for problem in problems] == [Conflict]
    assert Invitation.objects.count() == 1
