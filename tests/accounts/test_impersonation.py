"""Staff looks into a workspace: reads, changes nothing, is seen to have looked."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, User, Visitor
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from tests.accounts.factories import browser_of, person
from tests.generation import factories as generations


@pytest.fixture
def staff(db: None) -> User:
    return person("staff@example.org", is_staff=True)


def look(browser: Client, visitor: Visitor) -> int:
    chosen = {"action": "look_into", "_selected_action": str(visitor.workspace_id)}
    return browser.post("/admin/accounts/workspace/", chosen).status_code


def test_it_works(toy: Model, staff: User, visitor: Visitor) -> None:
    generation = generations.submitted(visitor.workspace, "what the visitor asked for")
    browser = browser_of(staff)
    assert browser.get(f"/generations/{generation.id}/").status_code == 404
    assert look(browser, visitor) == 302
    page = browser.get("/history/").text
    assert "what the visitor asked for" in page
    assert "You're viewing" in page
    entry = AuditEntry.objects.get(event="staff.looked")
    assert (entry.workspace_id, entry.actor) == (visitor.workspace_id, "staff staff@example.org")
    left = browser.post("/staff/stop-looking/")
    assert left["Location"] == f"/admin/customers/{visitor.workspace_id}/"
    assert browser.get(f"/generations/{generation.id}/").status_code == 404
    assert "You're viewing" not in browser.get("/").text


def test_nothing_can_be_changed(toy: Model, staff: User, visitor: Visitor) -> None:
    generation = generations.submitted(visitor.workspace)
    before = ledger.movements(account=visitor.workspace_id)
    browser = browser_of(staff)
    look(browser, visitor)
    for address, body in (
        ("/generations/", {"prompt": "no"}),
        (f"/generations/{generation.id}/cancel/", {}),
        ("/workspace/close/", {"word": "This browser"}),
        ("/workspace/keys/new/", {"name": "x", "scopes": ["read"]}),
        ("/billing/budget/", {}),
    ):
        assert browser.post(address, body).status_code == 403, address
    assert browser.get("/data/export.zip").status_code == 403
    assert browser.get("/").status_code == 200
    assert Generation.objects.get().state == "queued"
    assert ledger.movements(account=visitor.workspace_id) == before


def test_looking_gives_nobody_credits(toy: Model, staff: User) -> None:
    fresh = generations.visitor()
    browser = browser_of(staff)
    look(browser, fresh)
    browser.get("/")
    assert ledger.movements(account=fresh.workspace_id) == []


def test_a_look_ends_by_itself(toy: Model, staff: User, visitor: Visitor) -> None:
    browser = browser_of(staff)
    look(browser, visitor)
    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert "You're viewing" not in browser.get("/").text


def test_staff_needs_the_permission_for_it_and_keeps_it_no_longer(toy: Model, visitor: Visitor) -> None:
    helper = person("helper@example.org")
    User.objects.filter(id=helper.id).update(is_staff=True)
    helper.user_permissions.add(*Permission.objects.filter(codename__in=["view_workspace", "change_workspace"]))
    browser = browser_of(helper)
    look(browser, visitor)
    assert not AuditEntry.objects.filter(event="staff.looked").exists()
    helper.user_permissions.add(Permission.objects.get(codename="look_into_workspace"))
    look(browser, visitor)
    assert "You're viewing" in browser.get("/").text
    helper.user_permissions.clear()
    assert "You're viewing" not in browser.get("/").text


def test_a_suspended_workspace_can_be_looked_into(toy: Model, staff: User, visitor: Visitor) -> None:
    generations.submitted(visitor.workspace, "why it was suspended")
    type(visitor.workspace).objects.filter(id=visitor.workspace_id).update(suspended_at=timezone.now())
    browser = browser_of(staff)
    look(browser, visitor)
    assert "why it was suspended" in browser.get("/history/").text
