"""Lists of the admin say whose a row is, find it by an address, and write numbers as people read them."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts.models import Membership, User
from billing import ledger
from tests.accounts.factories import browser_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    return browser_of(person("staff@example.com", is_staff=True))


def with_credits(email: str, amount: int) -> User:
    user = person(email)
    ledger.grant(account=workspace_of(user), reference=f"gift:{email}", amount=amount, kind=ledger.LotKind.PACK)
    return user


def workspace_of(user: User) -> UUID:
    return Membership.objects.get(user=user).workspace_id


@pytest.mark.parametrize("typed", ["ada@example.org", " ADA@example.org "])
def test_lots_are_found_by_the_address_of_their_owner(staff: Client, typed: str) -> None:
    with_credits("ada@example.org", 12_000)
    with_credits("bob@example.org", 7)
    page = staff.get("/admin/billing/lot/", {"q": typed})
    assert [lot.issued for lot in page.context["cl"].result_list] == [12_000]
    assert "12,000" in page.text
    assert "ada@example.org</a>" in page.text


def test_who_may_not_look_customers_up_finds_nobody_by_an_address() -> None:
    with_credits("ada@example.org", 12_000)
    reader = User.objects.create_user("reader@example.com", "irrelevant", is_staff=True)
    reader.groups.add(only := Group.objects.create(name="Books alone"))
    only.permissions.add(Permission.objects.get(codename="view_lot"))
    browser = Client()
    browser.force_login(reader)
    assert not browser.get("/admin/billing/lot/", {"q": "ada@example.org"}).context["cl"].result_list


def test_an_account_is_called_as_its_owner_is(staff: Client) -> None:
    ada = with_credits("ada@example.org", 12_000)
    page = staff.get(f"/admin/billing/account/{workspace_of(ada)}/change/").text
    assert "Account of ada@example.org" in page


def test_people_have_a_role_and_no_crosses(staff: Client) -> None:
    helper = person("helper@example.org")
    User.objects.filter(pk=helper.pk).update(is_active=False)
    page = staff.get("/admin/accounts/user/").text
    assert "icon-no" not in page
    assert "superuser" in page
    assert "switched off" in page


@pytest.mark.parametrize(("path", "trail"), [("accounts/user/", "People"), ("shop/plan/", "Money")])
def test_breadcrumbs_name_the_section_of_the_side_bar(staff: Client, path: str, trail: str) -> None:
    for page in (f"/admin/{path}", f"/admin/{path}add/"):
        found = staff.get(page).text.partition('class="breadcrumbs">')[2].partition("</div>")[0]
        assert f"&rsaquo; {trail} &rsaquo;" in re.sub("<[^>]+>|\n", "", found), page


@pytest.mark.parametrize(
    ("path", "trail"),
    [
        ("catalogue/", "Home > Catalogue > Models"),
        ("fleet/", "Home > Fleet > GPUs and queue"),
        ("money/", "Home > Money > Revenue and liability"),
        ("system/", "Home > System > Processes and queues"),
        ("customers/", "Home > Customers > Find a customer"),
        ("audit/", "Home > People > Audit log"),
    ],
)
def test_pages_that_are_no_models_name_their_section_too(staff: Client, path: str, trail: str) -> None:
    found = staff.get(f"/admin/{path}").text.partition('class="breadcrumbs">')[2].partition("</div>")[0]
    assert re.sub("<[^>]+>|\n", "", found).replace("&rsaquo;", ">") == trail


def test_roles_are_called_so_everywhere(staff: Client) -> None:
    listed = staff.get("/admin/auth/group/").text
    assert re.findall("(?i)[^<>]*groups?\\b[^<>]*(?=<)", listed.partition("<body")[2]) == []
    assert ">Roles<" in listed
