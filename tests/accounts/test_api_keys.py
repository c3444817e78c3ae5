"""Machines: keys that are shown once, do what their scopes say, and end when they are told to."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts import api_keys, tenancy, workspaces
from accounts.models import ApiKey, AuditEntry, User, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from loremotion.refusals import Conflict, Forbidden, Unauthorized
from tests.accounts.factories import browser_of, team
from tests.generation import factories as generations

OWNER = BY_ROLE[Role.OWNER]


@pytest.fixture
def studio(alice: User) -> Workspace:
    made = team(alice)
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=100, kind=ledger.LotKind.PACK)
    return made


def issued(workspace: Workspace, by: User, *scopes: str, **terms: Any) -> tuple[ApiKey, str]:
    return api_keys.issue(
        workspace=workspace, by=by, allowed=OWNER, name="render farm", scopes=list(scopes) or ["generate"], **terms
    )


def program(text: str) -> Client:
    """A program that sends the key, and nothing else."""
    return Client(headers={"Authorization": f"Bearer {text}"}, enforce_csrf_checks=True)


def test_it_works(toy: Model, alice: User, studio: Workspace) -> None:
    owner = browser_of(alice, studio)
    page = owner.post("/workspace/keys/new/", {"name": "render farm", "scopes": ["generate"]})
    found = re.search(r"lm_live_\w{12}_[\w-]{43}", page.text)
    assert found is not None
    text = found[0]
    assert "no-store" in page["Cache-Control"]
    assert text not in owner.get("/workspace/keys/").text  # shown once
    key = ApiKey.objects.get()
    assert text.startswith(key.prefix)
    assert text not in str(ApiKey.objects.values())

    caller = program(text)
    answer = caller.post("/v1/videos", {"prompt": "by a program"}, content_type="application/json")
    assert answer.status_code == 200, answer.text
    generation = Generation.objects.get()
    assert (generation.workspace, generation.api_key, generation.made_by) == (studio, key, None)
    assert caller.get(f"/v1/videos/{generation.id}").status_code == 200
    key.refresh_from_db()
    assert key.last_used_at is not None


@pytest.mark.parametrize(
    "header",
    ["Bearer nonsense", "Bearer ", "Basic YTpi", "lm_live_x", "Bearer lm_live_" + "A" * 12 + "_" + "b" * 43],
)
def test_a_key_that_does_not_hold_is_refused_whatever_else_is_sent(
    toy: Model, alice: User, studio: Workspace, header: str
) -> None:
    """Not even where a good session came along: a program must not act as whoever's cookies it found."""
    browser = browser_of(alice, studio)
    generation = generations.submitted(studio)
    for address in ("/v1/videos", f"/v1/videos/{generation.id}", f"/v1/videos/{generation.id}/content"):
        answer = browser.get(address, headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert browser.get("/history/", headers={"Authorization": header}).status_code == 200  # pages know no keys


def test_a_right_prefix_with_a_wrong_secret_is_refused(alice: User, studio: Workspace) -> None:
    key, text = issued(studio, alice)
    with pytest.raises(Unauthorized):
        api_keys.authenticate(f"{key.prefix}_{'x' * 43}")
    assert api_keys.authenticate(text) == key


@given(st.text(max_size=120))
def test_no_text_breaks_the_check(text: str) -> None:
    if api_keys.SHAPE.fullmatch(text) is None:
        with pytest.raises(Unauthorized):
            api_keys.authenticate(text)


def test_scopes_bound_what_a_key_does(toy: Model, alice: User, studio: Workspace) -> None:
    _, reading = issued(studio, alice, "read")
    _, paying = issued(studio, alice, "billing-read")
    assert program(reading).get("/v1/videos").status_code == 200
    answer = program(reading).post("/v1/videos", {"prompt": "no"}, content_type="application/json")
    assert answer.status_code == 403
    assert answer.json()["code"] == "missing_scope"
    assert "generate" in answer.json()["detail"]
    assert program(paying).get("/v1/videos").status_code == 403
    assert not Generation.objects.exists()


def test_a_key_reaches_its_own_workspace_alone(toy: Model, alice: User, bob: User, studio: Workspace) -> None:
    _, text = issued(workspaces.personal_of(bob), bob)
    generation = generations.submitted(studio)
    assert program(text).get(f"/v1/videos/{generation.id}").status_code == 404
    assert program(text).get("/v1/videos").json()["data"] == []


def test_a_revoked_an_expired_and_a_suspended_key_say_so(toy: Model, alice: User, studio: Workspace) -> None:
    key, text = issued(studio, alice, expires_at=timezone.now() + timedelta(days=1))
    assert program(text).get("/v1/videos").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert program(text).get("/v1/videos").json()["code"] == "expired_api_key"
    Workspace.objects.filter(id=studio.id).update(suspended_at=timezone.now())
    answer = program(text).get("/v1/videos")
    assert (answer.status_code, answer.json()["code"]) == (403, "workspace_suspended")
    browser_of(alice)
    api_keys.revoke(key=key, actor=alice.email)
    assert program(text).get("/v1/videos").json()["code"] == "revoked_api_key"


def test_rotation_overlaps_for_a_day(toy: Model, alice: User, studio: Workspace) -> None:
    key, old = issued(studio, alice, "read", "billing-read", monthly_cap_credits=7)
    page = browser_of(alice, studio).post(f"/workspace/keys/{key.id}/rotate/")
    found = re.search(r"lm_live_\w{12}_[\w-]{43}", page.text)
    assert found is not None
    successor = ApiKey.objects.exclude(id=key.id).get()
    assert (successor.scopes, successor.monthly_cap_credits) == (["read", "billing-read"], 7)
    assert program(old).get("/v1/videos").status_code == 200
    assert program(found[0]).get("/v1/videos").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert program(old).get("/v1/videos").status_code == 401
        assert program(found[0]).get("/v1/videos").status_code == 200
    api_keys.revoke(key=successor, actor=alice.email)
    with pytest.raises(Conflict):
        api_keys.rotate(key=successor, by=alice, allowed=OWNER)


def test_a_key_has_a_cap_of_its_own(toy: Model, alice: User, studio: Workspace) -> None:
    _, text = issued(studio, alice, monthly_cap_credits=1)
    answer = program(text).post("/v1/videos", {"prompt": "dear"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "cap_reached")
    assert ledger.balance(account=studio.id).held == 0


def test_nobody_makes_a_key_that_goes_beyond_them(alice: User, studio: Workspace) -> None:
    with pytest.raises(Forbidden):
        api_keys.issue(workspace=studio, by=alice, allowed=BY_ROLE[Role.MEMBER], name="x", scopes=["admin"])
    assert not ApiKey.objects.exists()


def test_keys_of_another_workspace_are_not_found(alice: User, bob: User, studio: Workspace) -> None:
    key, _ = issued(studio, alice)
    stranger = browser_of(bob)
    assert stranger.post(f"/workspace/keys/{key.id}/revoke/").status_code == 404
    assert stranger.post(f"/workspace/keys/{key.id}/rotate/").status_code == 404
    assert ApiKey.objects.get().is_live


def test_the_check_takes_one_query_and_once_a_minute_two(alice: User, studio: Workspace, rf: Any) -> None:
    _, text = issued(studio, alice)
    request = rf.get("/v1/videos", headers={"Authorization": f"Bearer {text}"})
    for most in (2, 1):
        tenancy.forget(request)
        with CaptureQueriesContext(connection) as queries:
            assert tenancy.caller_of(request).workspace == studio
        assert len(queries) == most


def test_what_happens_to_keys_is_in_the_audit_log(alice: User, studio: Workspace) -> None:
    key, _ = issued(studio, alice)
    successor, _ = api_keys.rotate(key=key, by=alice, allowed=OWNER)
    api_keys.revoke(key=successor, actor=alice.email)
    api_keys.revoke(key=successor, actor=alice.email)  # twice is once
    told = list(AuditEntry.objects.filter(workspace=studio, event__startswith="key.").values_list("event", flat=True))
    assert sorted(told) == ["key.issued", "key.issued", "key.revoked", "key.rotated"]
    shown = browser_of(alice, studio).get("/workspace/audit/").text
    assert 'title="key.rotated"' in shown
    assert f"{alice.email} rotated the API key <strong>{key.prefix}</strong>" in shown
    assert f"successor: {successor.prefix}" in shown
    assert "{&#x27;" not in shown, "a dictionary as Python writes it"


def test_the_log_leaves_as_csv_without_formulas(alice: User, studio: Workspace) -> None:
    workspaces.rename(studio, name="Studio", actor="=HYPERLINK(1)")
    answer = browser_of(alice, studio).get("/workspace/audit.csv")
    lines = b"".join(answer).decode().splitlines()
    assert lines[0] == "at,event,actor,subject,detail,network"
    assert any("'=HYPERLINK(1)" in line for line in lines)
    assert not any(",=HYPERLINK" in line for line in lines)
