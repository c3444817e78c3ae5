"""Roles in the admin: their rights stand by the pages that they open, and saving one takes nothing away unseen."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts import rights
from accounts.rights import OTHERS
from accounts.staff_roles import PERMISSIONS
from tests.accounts.factories import browser_of, person
from tests.test_staff_site import FOR_SUPERUSERS

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> Client:
    return browser_of(person("boss@example.org", is_staff=True))


def code_of(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def test_every_right_of_a_role_stands_by_a_page_and_none_that_opens_nothing() -> None:
    shown = {code_of(each.permission) for each in rights.rights() if each.page != OTHERS}
    assert set().union(*PERMISSIONS.values()) <= shown
    for label in FOR_SUPERUSERS:
        app, _, model = label.partition(".")
        assert not {f"{app}.{verb}_{model}" for verb in ("view", "add", "change", "delete")} & shown
    assert "billing.delete_lot" not in shown
    assert len({(each.heading, each.words) for each in rights.rights() if each.page != OTHERS}) == len(shown)


def test_a_role_says_what_it_is_for_who_has_it_and_what_it_opens(boss: Client) -> None:
    support = Group.objects.get(name="Support")
    person("helper@example.org").groups.add(support)
    page = boss.get(f"/admin/auth/group/{support.pk}/change/").text
    assert "Answers people: finds them" in page
    assert 'href="/admin/accounts/user/?role=Support">1</a>' in page
    reports = page.partition(">Clips › Reports</strong>")[2].partition("</div>")[0]
    assert re.sub("<[^>]+>", "", reports).split() == ["See", "Change"]
    assert reports.count("checked") == 2
    assert "Can " not in page.partition('class="rights"')[2].partition("submit-row")[0]


def test_saving_a_role_changes_what_was_ticked_and_keeps_a_right_that_opens_no_page(boss: Client) -> None:
    role = Group.objects.create(name="Night shift")
    unseen = Permission.objects.get(codename="view_session")
    role.permissions.add(unseen)
    page = boss.get(f"/admin/auth/group/{role.pk}/change/")
    assert f'value="{unseen.pk}"' in page.text
    fleet = Permission.objects.get(codename="view_fleet")
    said = {"name": "Night shift", "permissions": [str(unseen.pk), str(fleet.pk)]}
    assert boss.post(f"/admin/auth/group/{role.pk}/change/", said).status_code == 302
    assert set(role.permissions.all()) == {unseen, fleet}


def test_a_role_that_migrations_know_keeps_its_name(boss: Client) -> None:
    support = Group.objects.get(name="Support")
    held = [str(pk) for pk in support.permissions.values_list("pk", flat=True)]
    assert (
        boss.post(f"/admin/auth/group/{support.pk}/change/", {"name": "Helpers", "permissions": held}).status_code
        == 302
    )
    support.refresh_from_db()
    assert (support.name, support.permissions.count()) == ("Support", len(held))
