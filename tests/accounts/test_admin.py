"""What staff may do to people and tenants in the admin, and what takes more."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import Membership, User
from tests.accounts.factories import browser_of, person, team

pytestmark = pytest.mark.django_db


@pytest.fixture
def helper(db: None) -> Client:
    """Staff that may change users and workspaces, and is no superuser."""
    user = person("helper@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    names = [
        f"{verb}_{kind}" for verb in ("view", "add", "change", "delete") for kind in ("user", "workspace", "membership")
    ]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return browser_of(User.objects.get(id=user.id))


def test_whoever_may_change_users_makes_nobody_more_than_they_are(helper: Client, alice: User) -> None:
    address = f"/admin/accounts/user/{alice.id}/change/"
    assert helper.get(address).status_code == 200
    said = {"email": alice.email, "name": "Alice A.", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    assert helper.post(address, said).status_code == 302
    alice.refresh_from_db()
    assert (alice.name, alice.is_staff, alice.is_superuser) == ("Alice A.", False, False)


def test_staff_is_changed_by_superusers_alone(helper: Client) -> None:
    boss = person("boss@example.org", is_staff=True)
    for address in (f"{boss.id}/change/", f"{boss.id}/password/"):
        said = {"email": "mine@example.org", "password1": "correct horse", "password2": "correct horse"}
        assert helper.post(f"/admin/accounts/user/{address}", said).status_code == 403
    before = boss.password
    boss.refresh_from_db()
    assert (boss.email, boss.password) == ("boss@example.org", before)
    other = person("other@example.org")
    assert (
        browser_of(boss)
        .post(f"/admin/accounts/user/{other.id}/change/", {"email": other.email, "is_active": "on", "is_staff": "on"})
        .status_code
        == 302
    )
    other.refresh_from_db()
    assert other.is_staff


def test_nobody_becomes_a_member_by_the_admin(helper: Client, alice: User, bob: User) -> None:
    studio = team(alice)
    boss = browser_of(person("boss@example.org", is_staff=True))
    said = {
        "memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(bob.id), "memberships-0-role": "owner", "memberships-0-workspace": str(studio.id),
        "name": "Mine",
    }  # fmt: skip
    for browser in (helper, boss):
        browser.post(f"/admin/accounts/workspace/{studio.id}/change/", said)
    studio.refresh_from_db()
    assert studio.name == "Studio"
    assert [place.user for place in Membership.objects.filter(workspace=studio)] == [alice]
