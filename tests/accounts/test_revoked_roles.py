"""Whose role is taken away while they are about to act does not act with it once more; their keys are the team's.

Two connections meet at the workspace's row: one changes who may do what, the other is seen to wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import api_keys, invitations, members, workspaces
from accounts.caller import Caller
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, User, Workspace
from accounts.roles import BY_ROLE, Role, Scope
from billing import ledger
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation
from generation.submission.submit import submit
from loremotion.refusals import Forbidden, Unauthorized
from tests.accounts.factories import browser_of, person, team
from tests.accounts.test_suspended_meanwhile import meeting
from tests.generation import factories as generations


@dataclass(frozen=True)
class Studio:
    """A team in which the owner is about to change what the admin may do, who is about to use it."""

    workspace: Workspace
    owner: Membership
    admin: Membership
    member: Membership
    key: ApiKey


@pytest.fixture
def studio(transactional_db: None) -> Studio:
    alice, bob, carol = (person(f"{name}@example.org") for name in ("alice", "bob", "carol"))
    workspace = team(alice, admin=bob, member=carol)
    ledger.grant(account=workspace.id, reference=f"test:{workspace.id}", amount=500, kind=ledger.LotKind.PACK)
    places = {membership.role: membership for membership in workspace.memberships.select_related("user", "workspace")}
    made = Studio(
        workspace, places[Role.OWNER], places[Role.ADMIN], places[Role.MEMBER], issue(workspace, bob, "of before")
    )
    generations.model()
    invitations.invite(workspace=workspace, by=made.owner, email="dora@example.org", role=Role.MEMBER)
    Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    return made


def issue(workspace: Workspace, by: User, name: str) -> ApiKey:
    may = BY_ROLE[Role.ADMIN]
    return api_keys.issue(workspace=workspace, by=by, allowed=may, name=name, scopes=[Scope.GENERATE])[0]


def demote(studio: Studio) -> None:
    members.change(
        membership=studio.admin, by=studio.owner, role=Role.VIEWER, monthly_cap_credits=None, daily_cap_credits=None
    )


def remove(studio: Studio) -> None:
    members.remove(membership=studio.admin, by=studio.owner)


def make_a_clip(studio: Studio, key: ApiKey | None = None) -> Generation:
    by = {"membership": studio.admin} if key is None else {"key": key}
    caller = Caller(studio.workspace, BY_ROLE[Role.ADMIN], **by)
    return submit(workspace=studio.workspace, offer=make_offer(Ask(prompt="a fox")), caller=caller)


def make_a_key(studio: Studio) -> ApiKey:
    return issue(studio.workspace, studio.admin.user, "of after")


def rotate_a_key(studio: Studio) -> object:
    return api_keys.rotate(key=studio.key, by=studio.admin.user, allowed=BY_ROLE[Role.ADMIN])


def invite(studio: Studio) -> Invitation:
    return invitations.invite(workspace=studio.workspace, by=studio.admin, email="bob@example.net", role=Role.ADMIN)


def invite_again(studio: Studio) -> None:
    invitations.resend(Invitation.objects.get(), by=studio.admin.user)


def promote_a_friend(studio: Studio) -> None:
    members.change(
        membership=studio.member, by=studio.admin, role=Role.ADMIN, monthly_cap_credits=None, daily_cap_credits=None
    )


def remove_a_friend(studio: Studio) -> None:
    members.remove(membership=studio.member, by=studio.admin)


def traces(studio: Studio) -> tuple[object, ...]:
    """What acts leave behind."""
    roles = sorted(studio.workspace.memberships.exclude(id=studio.admin.id).values_list("user", "role"))
    offers = sorted(Invitation.objects.values_list("email", "token_digest"))
    return Generation.objects.count(), ApiKey.objects.count(), offers, roles


@pytest.mark.parametrize("take_away", [demote, remove])
@pytest.mark.parametrize(
    "act", [make_a_clip, make_a_key, rotate_a_key, invite, invite_again, promote_a_friend, remove_a_friend]
)
def test_who_is_about_to_act_waits_for_it_and_is_refused(
    studio: Studio, take_away: Callable[[Studio], None], act: Callable[[Studio], object]
) -> None:
    before = traces(studio)
    assert isinstance(meeting(lambda: take_away(studio), lambda: act(studio)), Forbidden)
    assert traces(studio) == before


def test_a_key_that_is_revoked_while_it_is_used_makes_no_clip(studio: Studio) -> None:
    refused = meeting(lambda: api_keys.revoke(key=studio.key, actor="alice"), lambda: make_a_clip(studio, studio.key))
    assert isinstance(refused, Unauthorized)
    assert not Generation.objects.exists()


def test_whoever_the_team_is_handed_to_is_not_demoted_by_the_owner_of_before(studio: Studio) -> None:
    hand_over = lambda: workspaces.transfer(workspace=studio.workspace, owner=studio.owner, to=studio.admin)  # noqa: E731
    assert isinstance(meeting(hand_over, lambda: demote(studio)), Forbidden)
    assert studio.workspace.memberships.get(role=Role.OWNER).user == studio.admin.user
    assert not AuditEntry.objects.filter(event="member.changed").exists()


def test_two_who_remove_each_other_do_not_wait_in_a_ring(studio: Studio) -> None:
    Membership.objects.filter(id=studio.member.id).update(role=Role.ADMIN)
    studio.member.refresh_from_db()
    each_other = (
        lambda: members.remove(membership=studio.member, by=studio.admin),
        lambda: members.remove(membership=studio.admin, by=studio.member),
    )
    assert isinstance(meeting(*each_other), Forbidden)
    assert studio.workspace.memberships.count() == 2


def test_keys_go_on_without_their_maker_and_whoever_manages_them_is_told(studio: Studio) -> None:
    browser = browser_of(studio.owner.user, studio.workspace)
    assert "no longer a member" not in browser.get("/workspace/keys/").content.decode()
    gone = browser.post(f"/workspace/members/{studio.admin.id}/remove/", follow=True).content.decode()
    assert "1 API key created by bob@example.org still works" in gone
    assert "bob@example.org, no longer a member" in browser.get("/workspace/keys/").content.decode()
    assert make_a_clip(studio, studio.key).api_key_id == studio.key.id
    [noted] = AuditEntry.objects.filter(event="member.removed").values_list("detail", flat=True)
    assert noted == {"keys_that_go_on": [studio.key.prefix]}
