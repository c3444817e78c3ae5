"""The audit log for staff: each entry is a sentence, and an address finds all that touches its owner."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import audit
from accounts.models import User, Workspace
from tests.accounts.factories import browser_of, person

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/auditentry/"


@pytest.fixture
def staff() -> Client:
    return browser_of(person("root@example.com", is_staff=True))


def own(email: str) -> Workspace:
    return Workspace.objects.get(memberships__user=person(email), kind="personal")


def events(browser: Client, wanted: str) -> set[str]:
    return {entry.event for entry in browser.get(LIST, {"q": wanted}).context["cl"].result_list}


def test_an_entry_is_a_sentence(staff: Client) -> None:
    audit.record(own("ada@example.org"), "key.issued", actor="ada@example.org", subject="lm_1f", name="<b>ci</b>")
    first = re.sub(r"<[^>]+>", "", staff.get(LIST).text.split('class="field-what"')[1].split("</td>")[0])
    assert "ada@example.org created the API key lm_1f.name: &lt;b&gt;ci&lt;/b&gt;" in first


def test_an_address_finds_what_they_did_what_was_done_to_them_and_what_happened_in_theirs(staff: Client) -> None:
    ada, bob = own("ada@example.org"), own("bob@example.org")
    audit.record(ada, "workspace.suspended", actor="staff root@example.com")
    audit.record(bob, "member.invited", actor="bob@example.org", subject="ada@example.org")
    audit.record(bob, "webhook.created", actor="ada@example.org", subject="https://example.org")
    audit.record(bob, "key.issued", actor="bob@example.org", subject="lm_1f")
    assert events(staff, "Ada@example.org") == {
        *("workspace.begun", "workspace.suspended", "member.invited", "webhook.created")
    }
    assert events(staff, "root@example.com") >= {"workspace.suspended"}
    assert events(staff, "staff root@example.com") == {"workspace.suspended"}
    assert events(staff, "nobody@example.org") == set()


def test_whose_a_workspace_is_is_found_by_those_alone_who_may_look_customers_up() -> None:
    audit.record(own("ada@example.org"), "workspace.suspended", actor="staff root@example.com")
    user = person("looks@example.com")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    assert events(browser_of(User.objects.get(id=user.id)), "ada@example.org") == {"workspace.begun"}


def test_a_search_takes_as_many_queries_however_much_is_found(staff: Client) -> None:
    ada = own("ada@example.org")
    staff.get(LIST, {"q": "ada@example.org"})
    asked = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as found:
            staff.get(LIST, {"q": "ada@example.org"})
        asked.append(len(found))
        for number in range(30):
            audit.record(ada, "key.issued", actor="ada@example.org", subject=f"lm_{number}")
    assert asked[0] == asked[1]
