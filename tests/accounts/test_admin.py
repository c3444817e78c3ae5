"""What staff may do to people and tenants in the admin, and what takes more."""

from __future__ import annotations

import re
from html import unescape

import pytest
from allauth.idp.oidc.models import Client as OidcClient
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import Membership, User, Workspace
from accounts.staff_roles import MEANING
from billing.shop.models import Pack
from catalog.models import Alias
from tests.accounts.factories import browser_of, person, sign_in, team
from tests.generation import factories

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


def test_the_site_s_own_workspace_is_neither_suspended_nor_looked_into(helper: Client) -> None:
    ours = Workspace.objects.create(kind="team", name="Test renders")
    boss = browser_of(person("boss@example.org", is_staff=True))
    address = "/admin/accounts/workspace/"
    row = boss.get(address).text.split("Test renders</a>")[1].split("</tr>")[0]
    assert "The site&#x27;s own" in row
    assert "<button" not in row
    for action in ("suspend_selected", "look_into"):
        answer = boss.post(address, {"action": action, "_selected_action": str(ours.pk), "index": "0"}, follow=True)
        assert "Nobody is in this workspace" in answer.text
    ours.refresh_from_db()
    assert ours.suspended_at is None


def test_roles_are_ticked_say_what_they_are_for_and_single_permissions_are_folded_away(alice: User) -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    address = f"/admin/accounts/user/{alice.id}/change/"
    support = Group.objects.get(name="Support")
    page = boss.get(address).text
    assert f"Support: {MEANING['Support']}" in page
    assert re.search(r"<details><summary>\s*<h2[^>]*>Single rights, beyond those of the roles</h2>", page)
    assert "/admin/customers/?q=alice%40example.org" in page
    said = {"email": alice.email, "is_active": "on", "is_staff": "on", "groups": str(support.id)}
    assert boss.post(address, said).status_code == 302
    assert list(User.objects.get(id=alice.id).groups.all()) == [support]


def test_staff_is_found_by_its_role_and_by_having_none(alice: User, bob: User) -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    alice.groups.add(Group.objects.get(name="Support"))
    User.objects.filter(id__in=(alice.id, bob.id)).update(is_staff=True)

    def found(role: str) -> list[User]:
        return list(boss.get("/admin/accounts/user/", {"role": role}).context["cl"].result_list)

    assert found("Support") == [alice]
    assert found("none") == [bob]


def test_a_person_s_page_is_called_after_them_and_shows_nothing_of_the_hash(alice: User) -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    page = boss.get(f"/admin/accounts/user/{alice.id}/change/").text
    assert f"<h1>{alice.email}</h1>" in page
    assert "<strong>Set</strong>" in page
    for said in ("argon2", "salt", "iterations", "hash"):
        assert said not in page.split("What they may do")[0].split('id="content-main"')[1], said
    assert ">Change password</a>" in page
    setting = boss.get(f"/admin/accounts/user/{alice.id}/password/").text
    assert "LDAP" not in setting
    assert "authentication" not in setting.partition('id="content-main"')[2]
    assert setting.index("id_usable_password") < setting.index("id_password1")
    assert "a code that they get by mail" in setting
    without = {"usable_password": "false", "unset-password": "1"}
    answer = boss.post(f"/admin/accounts/user/{alice.id}/password/", without, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [
        "They have no password any more. Without one they sign in with a code that they get by mail, with a passkey, or"
        " with another account."
    ]
    setting = boss.get(f"/admin/accounts/user/{alice.id}/password/").text
    assert 'value="Set password"' in setting
    assert "authentication" not in setting.partition('id="content-main"')[2]
    assert "None: they sign in in another way" in boss.get(f"/admin/accounts/user/{alice.id}/change/").text
    added = boss.get("/admin/accounts/user/add/").text
    assert "LDAP" not in added
    assert "a code that they get by mail" in added


def test_whoever_deletes_a_session_reads_that_it_signs_out_and_it_does(alice: User) -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))

    def signed_in() -> UserSession:
        assert sign_in(Client()) == 302
        row = UserSession.objects.get(user=alice)
        assert Session.objects.filter(session_key=row.session_key).exists()
        return row

    session = signed_in()
    page = f"/admin/usersessions/usersession/{session.pk}/delete/"
    assert f"Sign out {alice}: " in boss.get(page).text
    assert boss.get("/admin/usersessions/usersession/add/").status_code == 403
    assert boss.post(page, {"post": "yes"}).status_code == 302
    assert not Session.objects.filter(session_key=session.session_key).exists()
    other = signed_in()
    chosen = {"action": "delete_selected", "_selected_action": [str(other.pk)]}
    assert f"{alice} is signed out of" in boss.post("/admin/usersessions/usersession/", chosen).text
    boss.post("/admin/usersessions/usersession/", {**chosen, "post": "yes"})
    assert not Session.objects.filter(session_key=other.session_key).exists()


def test_deleting_a_role_says_who_loses_rights_and_shows_no_rows_of_tables_between() -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    catalogue = Group.objects.get(name="Catalogue")
    person("carol@example.org").groups.add(catalogue)
    page = boss.get(f"/admin/auth/group/{catalogue.id}/delete/").text
    assert f"Delete the role Catalogue: 1 person loses its {catalogue.permissions.count()} rights." in page
    assert 'value="Delete the role"' in page
    chosen = {"action": "delete_selected", "_selected_action": [str(catalogue.id)]}
    listed = boss.post("/admin/auth/group/", chosen).text
    assert "Catalogue: 1 person loses its rights" in listed
    for said in (page, listed):
        assert "relationship" not in said
        assert "object (" not in said
    assert boss.post("/admin/auth/group/", {**chosen, "post": "yes"}).status_code == 302
    assert not Group.objects.filter(id=catalogue.id).exists()


@pytest.mark.parametrize(
    ("path", "code", "right"),
    [
        ("shop/plan/", "view_plan", "Money › Plans › See"),
        ("shop/plan/add/", "add_plan", "Money › Plans › Add"),
        ("system/", "view_system", "System › Processes and queues › See processes, queues and what could not be sent"),
    ],
)
def test_whoever_may_not_go_somewhere_in_the_admin_reads_the_right_it_takes_and_who_has_it(
    helper: Client, path: str, code: str, right: str
) -> None:
    answer = helper.get(f"/admin/{path}")
    assert answer.status_code == 403
    roles = Group.objects.filter(permissions__codename=code).order_by("name")
    assert f"It takes the right “{right}”" in answer.text
    assert ", ".join(role.name for role in roles) in answer.text
    assert 'id="sections"' in answer.text
    assert "Back to Today" in answer.text


def test_what_no_right_opens_says_so(helper: Client) -> None:
    for path in ("auth/group/", "allauth_idp_oidc/client/add/"):
        answer = helper.get(f"/admin/{path}")
        assert answer.status_code == 403
        assert "opens for superusers alone, whatever rights an account has. Ask a superuser." in answer.text


def test_what_nobody_may_do_says_so_and_what_to_do_instead(helper: Client, alice: User) -> None:
    """Also to a superuser, who has every right that there is, and to whoever has none: no role would help."""
    boss = browser_of(person("boss@example.org", is_staff=True))
    default = Alias.objects.create(name="default", model=factories.model(is_default=False))
    refused = {
        f"accounts/user/{alice.id}/delete/": "Take “Active” off their account instead",
        f"catalog/alias/{default.id}/delete/": "Make another model the default instead",
        f"shop/pack/{Pack.objects.order_by('id')[0].id}/delete/": "Take “Is offered” off instead",
    }
    for path, instead in refused.items():
        for browser in (boss, helper):
            answer = browser.get(f"/admin/{path}")
            assert answer.status_code == 403
            assert "Nobody can do this here." in answer.text, path
            assert instead in answer.text
            assert "right “" not in answer.text
            assert "superuser" not in answer.text.split('id="content-main"')[1]


def test_what_a_right_alone_does_not_do_takes_a_superuser(alice: User) -> None:
    User.objects.filter(id=alice.id).update(is_staff=True)
    changer = person("changer@example.org")
    User.objects.filter(id=changer.id).update(is_staff=True)
    changer.user_permissions.add(*Permission.objects.filter(codename__in=("change_user", "view_user")))
    answer = browser_of(User.objects.get(id=changer.id)).post(f"/admin/accounts/user/{alice.id}/change/", {})
    assert answer.status_code == 403
    assert "You have the right “People › Users › Change”, but here it takes a superuser." in answer.text


def test_who_is_no_staff_is_led_to_signing_in_and_reads_nothing_of_the_admin(alice: User) -> None:
    answer = browser_of(alice).get("/admin/shop/plan/")
    assert answer.status_code == 302
    assert "Can view" not in answer.text


def test_an_app_is_connected_with_a_secret_that_is_shown_once(alice: User) -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    said = {
        "id": "studio",
        "name": "Studio",
        "type": "confidential",
        "scopes": "openid",
        "grant_types": "authorization_code",
    }
    added = boss.post(
        "/admin/allauth_idp_oidc/client/add/",
        {
            **said,
            "grant_types": "authorization_code",
            "redirect_uris": "https://studio.example.org/back",
            "response_types": "code",
        },
        follow=True,
    )
    app = OidcClient.objects.get(id="studio")
    secret = re.search(r'The client secret is only shown once: <input readonly[^>]* value="([^"]+)"', added.text)
    assert secret is not None
    assert app.check_secret(unescape(secret[1]))
    assert app.secret not in boss.get("/admin/allauth_idp_oidc/client/studio/change/").text


@pytest.mark.parametrize(
    "kind", ["mfa/authenticator", "socialaccount/socialaccount", "socialaccount/socialtoken", "allauth_idp_oidc/token"]
)
def test_what_signing_in_makes_nobody_writes_by_hand(kind: str) -> None:
    boss = browser_of(person("boss@example.org", is_staff=True))
    assert boss.get(f"/admin/{kind}/add/").status_code == 403
    assert "/add/" not in boss.get(f"/admin/{kind}/").text.partition('id="content-main"')[2]


def test_who_may_only_look_at_somebody_reads_our_words_for_what_they_may_do(helper: Client, alice: User) -> None:
    helper_now = User.objects.get(email="helper@example.org")
    helper_now.user_permissions.add(*Permission.objects.filter(codename__in=("view_user", "view_plan")))
    page = browser_of(User.objects.get(id=helper_now.id)).get(f"/admin/accounts/user/{helper_now.id}/change/").text
    for django_says in ("Superuser status", "Designates", "Is staff", "The groups", "Can view"):
        assert django_says not in page
    roles = page.partition("Roles")[2][:400]
    assert "None" in roles
    assert "Money › Plans › See; " in page
    refused = helper.get(f"/admin/accounts/user/{alice.id}/delete/").text
    assert f'href="/admin/accounts/user/{alice.id}/change/">Back to {alice.email}' in refused
