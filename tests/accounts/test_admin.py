"""What staff may do to people and tenants in the admin, and what takes more."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import Membership, User
from accounts.staff_roles import MEANING
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


def test_roles_are_ticked_say_what_they_are_for_and_single_permissions_are_folded_away(alice: User) -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    address = f"/admin/accounts/user/{alice.id}/change/"
    support = Group.objects.get(name="Support")
    page = boss.get(address).text
    assert f"Support: {MEANING['Support']}" in page
    assert re.search(r"<details><summary>\s*<h2[^>]*>Single permissions, beyond those of the roles</h2>", page)
    assert "/admin/customers/?q=alice%40example.org" in page
    said = {"email": alice.email, "is_active": "on", "is_staff": "on", "groups": str(support.id)}
    assert boss.post(address, said).status_code == 302
    assert list(User.objects.get(id=alice.id).groups.all()) == [support]


def test_deleting_a_group_says_who_loses_rights_and_shows_no_rows_of_tables_between() -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    catalogue = Group.objects.get(name="Catalogue")
    person("carol@example.org").groups.add(catalogue)
    page = boss.get(f"/admin/auth/group/{catalogue.id}/delete/").text
    assert f"Delete the group Catalogue: 1 person loses its {catalogue.permissions.count()} rights." in page
    assert 'value="Delete the group"' in page
    chosen = {"action": "delete_selected", "_selected_action": [str(catalogue.id)]}
    listed = boss.post("/admin/auth/group/", chosen).text
    assert "Catalogue: 1 person loses its rights" in listed
    for said in (page, listed):
        assert "relationship" not in said
        assert "object (" not in said
    assert boss.post("/admin/auth/group/", {**chosen, "post": "yes"}).status_code == 302
    assert not Group.objects.filter(id=catalogue.id).exists()


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("shop/plan/", "Can view plan"),
        ("shop/plan/add/", "Can add plan"),
        ("system/", "Can see processes, queues and what could not be sent"),
    ],
)
def test_whoever_may_not_go_somewhere_in_the_admin_reads_the_right_it_takes_and_who_has_it(
    helper: Client, path: str, right: str
) -> None:
    answer = helper.get(f"/admin/{path}")
    assert answer.status_code == 403
    roles = Group.objects.filter(permissions__name=right).order_by("name")
    assert f"It takes the right “{right}”" in answer.text
    assert ", ".join(role.name for role in roles) in answer.text
    assert 'id="sections"' in answer.text
    assert "Back to Today" in answer.text


def test_who_is_no_staff_is_led_to_signing_in_and_reads_nothing_of_the_admin(alice: User) -> None:
    answer = browser_of(alice).get("/admin/shop/plan/")
    assert answer.status_code == 302
    assert "Can view" not in answer.text
