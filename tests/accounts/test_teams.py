"""Teams: invitations, roles, caps, switching, handing over, leaving, closing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts import invitations, members, workspaces
from accounts.models import AuditEntry, Invitation, Membership, User, Visitor, Workspace
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from generation.settlement import settle
from loremotion.refusals import Conflict, Forbidden
from tests.accounts.factories import browser_of, link_mailed_to, person, subscribe, team
from tests.generation import factories as generations


@pytest.fixture
def studio(alice: User) -> Workspace:
    return team(alice)


def invite(browser: Client, email: str, role: str = "member") -> str:
    """Invite over the page; the path of the link that is mailed."""
    answer = browser.post("/workspace/members/invite/", {"email": email, "role": role})
    assert answer.status_code == 302, answer.text
    return link_mailed_to(email)


def test_it_works(toy: Model, alice: User, bob: User) -> None:
    """Begin a team, invite, join, make a clip from the shared account, see it as the owner."""
    owner = browser_of(alice)
    owner.post("/workspaces/new/", {"name": "Studio"})
    studio = Workspace.objects.get(kind="team")
    subscribe(studio, "studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=100, kind=ledger.LotKind.PACK)
    link = invite(owner, bob.email)
    assert link not in str(list(Invitation.objects.values()))  # only its digest is kept
    guest = browser_of(bob)
    assert "Studio" in guest.get(link).text
    assert not Membership.objects.filter(workspace=studio, user=bob).exists()  # looking is not joining
    assert guest.post(link).status_code == 302
    guest.post("/generations/", {"prompt": "made by bob"})
    generation = Generation.objects.get()
    assert (generation.workspace, generation.made_by) == (studio, bob)
    assert "made by bob" in owner.get("/history/").text
    assert ledger.balance(account=studio.id).held == generation.credits_quoted
    assert guest.post(link).status_code == 404  # a link is good once


def test_an_invitation_is_for_the_address_it_names(alice: User, bob: User, carol: User, studio: Workspace) -> None:
    membership = Membership.objects.get(user=alice, workspace=studio)
    made = invitations.invite(workspace=studio, by=membership, email=bob.email, role="member")
    with pytest.raises(Forbidden, match=r"bob@example\.org"):
        invitations.accept(made, user=carol)
    EmailAddress.objects.filter(user=bob).update(verified=False)
    with pytest.raises(Forbidden):
        invitations.accept(made, user=bob)


@pytest.mark.parametrize(
    "odd", ["m\N{LATIN SMALL LETTER DOTLESS I}ke@example.org", "mike@github.\N{LATIN SMALL LETTER LONG S}e"]
)
def test_an_address_that_is_alike_in_capitals_is_anothers(alice: User, studio: Workspace, odd: str) -> None:
    meant = odd.upper().lower()
    person(meant)
    stranger = person(odd)
    assert (User.objects.get_by_natural_key(meant).email, User.objects.get_by_natural_key(odd).email) == (meant, odd)
    place = Membership.objects.get(user=alice, workspace=studio)
    made = invitations.invite(workspace=studio, by=place, email=meant, role="member")
    with pytest.raises(Forbidden, match="This invitation is for"):
        invitations.accept(made, user=stranger)


def test_an_invitation_runs_out_and_can_be_sent_again(alice: User, bob: User, studio: Workspace) -> None:
    owner, guest = browser_of(alice, studio), browser_of(bob)
    link = invite(owner, bob.email)
    made = Invitation.objects.get()
    assert owner.post(f"/workspace/invitations/{made.id}/resend/").status_code == 429  # not a mail every second
    Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1), expires_at=timezone.now())
    assert guest.post(link).status_code == 404
    owner.post(f"/workspace/invitations/{made.id}/resend/")
    again = link_mailed_to(bob.email)
    assert guest.get(link).status_code == 404  # the first link is void
    assert guest.post(again).status_code == 302


def test_nobody_mails_the_world_through_us(alice: User, studio: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_A_DAY", 3)
    owner = browser_of(alice, studio)
    statuses = []
    for number in range(4):
        statuses.append(owner.post("/workspace/members/invite/", {"email": f"{number}@example.org", "role": "viewer"}))
        Invitation.objects.all().delete()  # taking them back makes no room
    assert [answer.status_code for answer in statuses] == [302, 302, 302, 429]


def test_an_invitation_can_be_taken_back(alice: User, bob: User, studio: Workspace) -> None:
    owner = browser_of(alice, studio)
    link = invite(owner, bob.email)
    owner.post(f"/workspace/invitations/{Invitation.objects.get().id}/withdraw/")
    assert browser_of(bob).post(link).status_code == 404


@pytest.mark.parametrize("how", ["removed", "demoted", "left", "shut out", "erased"])
def test_whoever_may_not_invite_any_more_has_no_way_back_by_an_invitation_of_theirs(
    alice: User, bob: User, carol: User, studio: Workspace, how: str
) -> None:
    """Carol is Bob by another address."""
    admin = Membership.objects.create(workspace=studio, user=bob, role="admin")
    link = invite(browser_of(bob, studio), carol.email, "admin")
    owner = Membership.objects.get(workspace=studio, user=alice)
    if how == "demoted":
        members.change(membership=admin, by=owner, role="member", monthly_cap_credits=None, daily_cap_credits=None)
    elif how == "shut out":
        User.objects.filter(id=bob.id).update(is_active=False)
    elif how == "erased":
        bob.delete()
    else:
        members.remove(membership=admin, by=owner if how == "removed" else admin)
    assert browser_of(carol).post(link).status_code == 404
    assert not Membership.objects.filter(workspace=studio, user=carol).exists()
    is_withdrawn = AuditEntry.objects.filter(event="member.uninvited", subject=carol.email).exists()
    assert is_withdrawn is (how not in ("shut out", "erased"))


def test_an_invitation_that_another_sends_again_is_theirs(
    alice: User, bob: User, carol: User, studio: Workspace
) -> None:
    admin = Membership.objects.create(workspace=studio, user=bob, role="admin")
    invite(browser_of(bob, studio), carol.email)
    Invitation.objects.update(sent_at=timezone.now() - timedelta(minutes=3))
    browser_of(alice, studio).post(f"/workspace/invitations/{Invitation.objects.get().id}/resend/")
    members.remove(membership=admin, by=Membership.objects.get(workspace=studio, user=alice))
    assert browser_of(carol).post(link_mailed_to(carol.email)).status_code == 302


def test_somebody_new_comes_back_to_the_invitation(alice: User, studio: Workspace) -> None:
    link = invite(browser_of(alice, studio), "new@example.org")
    page = Client().get(link)
    assert f"?next={link}" in page.text
    assert Client().post(link).status_code == 200  # not signed in: nothing happens
    assert Invitation.objects.exists()


def test_a_cap_bounds_a_member_and_not_the_others(toy: Model, alice: User, bob: User) -> None:
    studio = team(alice, member=bob)
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=100, kind=ledger.LotKind.PACK)
    capped = browser_of(bob, studio)
    assert capped.post("/generations/", {"prompt": "the first"}).status_code == 302
    price = Generation.objects.get().credits_quoted
    Membership.objects.filter(user=bob, workspace=studio).update(monthly_cap_credits=2 * price + 1)
    assert capped.post("/generations/", {"prompt": "the second"}).status_code == 302
    answer = capped.post("/generations/", {"prompt": "one too many"})
    assert answer.status_code == 403
    assert f"{2 * price + 1} credits a month here, with 1 left" in answer.text
    assert ledger.balance(account=studio.id).held == 2 * price  # the refused one holds nothing
    assert browser_of(alice, studio).post("/generations/", {"prompt": "the owner's"}).status_code == 302
    first = Generation.objects.filter(made_by=bob).earliest("created_at")
    capped.post(f"/generations/{first.id}/cancel/")
    assert capped.post("/generations/", {"prompt": "given back counts no more"}).status_code == 302
    settle.cancel(Generation.objects.exclude(made_by=bob).get())  # room among what may be open at once
    with time_machine.travel(timezone.now() + timedelta(days=32)):
        assert browser_of(bob, studio).post("/generations/", {"prompt": "a new month"}).status_code == 302


def test_a_viewer_sees_and_does_not_make_or_cancel(toy: Model, alice: User, bob: User) -> None:
    studio = team(alice, viewer=bob)
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=100, kind=ledger.LotKind.PACK)
    generation = generations.submitted(studio)
    viewer = browser_of(bob, studio)
    assert viewer.get(f"/generations/{generation.id}/").status_code == 200
    assert viewer.post(f"/generations/{generation.id}/cancel/").status_code == 403
    assert viewer.post("/generations/", {"prompt": "no"}).status_code == 403
    assert "API keys" not in viewer.get("/workspace/").text  # the templates read the same table


def test_switching_changes_what_is_seen(toy: Model, alice: User, bob: User, studio: Workspace) -> None:
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=100, kind=ledger.LotKind.PACK)
    generations.submitted(studio, "of the studio")
    browser = browser_of(alice)
    assert "of the studio" not in browser.get("/history/").text
    assert browser.post(f"/workspaces/{studio.id}/switch/").status_code == 302
    assert "of the studio" in browser.get("/history/").text
    assert browser_of(bob).post(f"/workspaces/{studio.id}/switch/").status_code == 404


def test_a_switch_ends_with_the_membership(toy: Model, alice: User, bob: User) -> None:
    studio = team(alice, member=bob)
    browser = browser_of(bob, studio)
    assert "Studio" in browser.get("/").text
    owner = browser_of(alice, studio)
    owner.post(f"/workspace/members/{Membership.objects.get(workspace=studio, user=bob).id}/remove/")
    assert "Studio" not in browser.get("/").text
    assert AuditEntry.objects.filter(workspace=studio, event="member.removed", subject=bob.email).exists()


def test_there_is_one_owner_who_hands_over(alice: User, bob: User) -> None:
    studio = team(alice, member=bob)
    owner, member = browser_of(alice, studio), browser_of(bob, studio)
    his = Membership.objects.get(workspace=studio, user=bob)
    assert owner.post("/workspace/leave/").status_code == 409
    assert member.post("/workspace/transfer/", {"to": his.id}).status_code == 403
    assert owner.post("/workspace/transfer/", {"to": his.id}).status_code == 302
    roles = dict(Membership.objects.filter(workspace=studio).values_list("user__email", "role"))
    assert roles == {alice.email: "admin", bob.email: "owner"}
    assert owner.post("/workspace/leave/").status_code == 302


def test_nobody_raises_themselves_or_touches_the_owner(alice: User, bob: User, carol: User) -> None:
    studio = team(alice, admin=bob, member=carol)
    places = {
        membership.user_id: membership
        for membership in Membership.objects.filter(workspace=studio).select_related("user")
    }
    admin = browser_of(bob, studio)
    for body in ({"role": "owner"}, {"role": "king"}):
        admin.post(f"/workspace/members/{places[bob.id].id}/", body)
        admin.post(f"/workspace/members/{places[carol.id].id}/", body)
    assert admin.post(f"/workspace/members/{places[alice.id].id}/", {"role": "viewer"}).status_code == 403
    assert admin.post(f"/workspace/members/{places[alice.id].id}/remove/").status_code == 409
    roles = dict(Membership.objects.filter(workspace=studio).values_list("user_id", "role"))
    assert roles == {alice.id: "owner", bob.id: "admin", carol.id: "member"}
    with pytest.raises(Forbidden):
        members.remove(membership=places[bob.id], by=places[carol.id])


def test_members_of_another_team_are_not_found(alice: User, bob: User, carol: User) -> None:
    team(alice)
    other = team(bob, name="Elsewhere", member=carol)
    stranger = Membership.objects.get(workspace=other, user=carol)
    assert browser_of(alice).post(f"/workspace/members/{stranger.id}/remove/").status_code == 404
    assert Membership.objects.filter(id=stranger.id).exists()


def test_a_closed_workspace_stops_can_be_reopened_and_is_erased(
    toy: Model, alice: User, studio: Workspace, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=100, kind=ledger.LotKind.PACK)
    generation = generations.submitted(studio)
    browser = browser_of(alice, studio)
    assert browser.post("/workspace/close/", {"word": "studio"}).status_code == 422
    assert browser.post("/workspace/close/", {"word": "Studio"}).status_code == 302
    generation.refresh_from_db()
    assert generation.state == "cancelled"
    assert ledger.balance(account=studio.id).available == 100
    assert browser.post("/generations/", {"prompt": "too late"}).status_code == 403
    assert browser.get(f"/generations/{generation.id}/").status_code == 200
    assert workspaces.erase_closed(limit=5) == 0
    browser.post("/workspace/reopen/")
    assert browser.post("/generations/", {"prompt": "again"}).status_code == 302
    browser.post("/workspace/close/", {"word": "Studio"})
    with time_machine.travel(timezone.now() + timedelta(days=15)), django_capture_on_commit_callbacks(execute=True):
        assert workspaces.erase_closed(limit=5) == 1
    assert not Workspace.objects.filter(id=studio.id).exists()
    assert not Generation.objects.exists()
    assert ledger.balance(account=studio.id).available == 100  # the books stay


def test_a_suspended_workspace_stands_still_and_keeps_its_credits(toy: Model, visitor: Visitor) -> None:
    generation = generations.submitted(visitor.workspace)
    before = ledger.balance(account=visitor.workspace_id)
    workspaces.suspend(visitor.workspace, actor="staff@example.org", reason="abuse")
    generation.refresh_from_db()
    assert generation.state == "cancelled"
    assert ledger.balance(account=visitor.workspace_id).available == before.available + before.held
    browser = browser_of(visitor)
    assert browser.post("/generations/", {"prompt": "no"}).status_code == 403
    assert Visitor.objects.count() == 1  # and no new one instead
    workspaces.unsuspend(visitor.workspace, actor="staff@example.org")
    assert browser.post("/generations/", {"prompt": "yes"}).status_code == 302


def test_a_personal_workspace_invites_nobody(alice: User) -> None:
    membership = Membership.objects.get(user=alice)
    with pytest.raises(Conflict, match="just for you"):
        invitations.invite(workspace=membership.workspace, by=membership, email="bob@example.org", role="member")


def test_a_person_signed_up_still_has_free_credits(toy: Model, db: None) -> None:
    browser = browser_of(person("new@example.org"))
    assert "120" in browser.get("/").text
    assert browser.post("/generations/", {"prompt": "free"}).status_code == 302
