"""What is kept can be taken along and erased, with an account and without."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.http import StreamingHttpResponse
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts import exports, workspaces
from accounts.caller import Caller
from accounts.models import AuditEntry, Membership, User, Visitor, Workspace
from accounts.roles import VISITOR_MAY
from billing import ledger
from catalog.models import Model
from generation import workspace_data
from generation.models import Generation
from generation.settlement import settle
from generation.storage import files
from tests.accounts.factories import browser_of, person, prove_again, sign_in, team
from tests.generation import factories as generations


def finished(workspace: Workspace, prompt: str = "a red circle") -> Generation:
    generation = generations.submitted(workspace, prompt)
    generations.deliver_clip(generation)
    settle.settle(generations.report(generation))
    generation.refresh_from_db()
    return generation


def unzipped(workspace: Workspace) -> zipfile.ZipFile:
    """As a visitor's own browser gets it."""
    reader = Caller(workspace, VISITOR_MAY)
    return zipfile.ZipFile(io.BytesIO(b"".join(exports.zip_export(reader))))


def test_a_visitor_takes_everything_along(toy: Model, visitor: Visitor) -> None:
    generation = finished(visitor.workspace, "grüner Kreis")
    archive = unzipped(visitor.workspace)
    assert archive.testzip() is None
    assert {"workspace.json", "audit.csv", "clips.json", "credits.json"} <= set(archive.namelist())
    assert len(archive.read(f"clips/{generation.id}.mp4")) == 1_000
    (told,) = json.loads(archive.read("clips.json"))
    assert (told["prompt"], told["seed"]) == ("grüner Kreis", generation.seed)
    kinds = [movement["kind"] for movement in json.loads(archive.read("credits.json"))]
    assert "hold" in kinds


def test_nobody_elses_is_in_it(toy: Model, visitor: Visitor) -> None:
    finished(generations.visitor(credits=100).workspace, "another's")
    archive = unzipped(visitor.workspace)
    assert not any("another's" in archive.read(name).decode(errors="replace") for name in archive.namelist())


def test_the_download_is_sent_in_pieces(toy: Model, visitor: Visitor) -> None:
    """As an async stream: Django would gather any other in memory first."""
    finished(visitor.workspace)
    answer = browser_of(visitor).get("/data/export.zip")
    assert isinstance(answer, StreamingHttpResponse)
    assert answer.is_async

    async def pieces() -> list[bytes]:
        return [piece async for piece in answer.streaming_content]

    sent = async_to_sync(pieces)()
    assert len(sent) > 5
    assert zipfile.ZipFile(io.BytesIO(b"".join(sent))).testzip() is None


EXPORTS = ("/data/export.zip", "/workspace/audit.csv", "/billing/movements.csv")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", EXPORTS)
def test_a_workspace_is_sent_so_many_exports_at_once(alice: User, bob: User, address: str) -> None:
    browser = browser_of(alice, team(alice))
    sent = [browser.get(one) for one in (*EXPORTS, EXPORTS[0])]
    assert len(sent) == exports.MOST_AT_ONCE
    assert browser.get(address).status_code == 429
    others = browser_of(bob).get("/data/export.zip")
    for answer in (*sent, others):
        answer.close()
    assert [answer.status_code for answer in (*sent, others, browser.get(address))] == [200] * 6


def test_an_export_reads_a_batch_at_a_time(toy: Model, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_data, "BATCH", 2)
    made = [generations.submitted(visitor.workspace) for _ in range(3)]
    reader = Caller(visitor.workspace, VISITOR_MAY)
    whole = [file.path for file in exports.files_of(reader) if isinstance(file.content, str)]
    assert not {"audit.csv", "clips.json", "credits.json"} & set(whole)
    told = json.loads(unzipped(visitor.workspace).read("clips.json"))
    assert [clip["id"] for clip in told] == [str(one.id) for one in made]


def test_an_export_of_nothing_is_json_too(visitor: Visitor) -> None:
    assert json.loads(unzipped(visitor.workspace).read("clips.json")) == []


def test_a_visitor_erases_everything(
    toy: Model, visitor: Visitor, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    generation = finished(visitor.workspace)
    running = generations.submitted(visitor.workspace)
    key = files.key(generation, files.CLIP)
    assert default_storage.exists(key)
    browser = browser_of(visitor)
    assert browser.post("/data/erase/", {"word": "no"}).status_code == 422
    with django_capture_on_commit_callbacks(execute=True):
        assert browser.post("/data/erase/", {"word": "erase"}).status_code == 302
    assert browser.cookies["visitor"].value == ""
    assert not Workspace.objects.exists()
    assert not Generation.objects.exists()
    assert not default_storage.exists(key)
    assert ledger.balance(account=visitor.workspace_id).held == 0  # what ran was given back, and the books stay
    assert ledger.receipt(reference=running.id).released == running.credits_quoted


def test_the_word_to_type_is_in_the_reader_s_language(visitor: Visitor) -> None:
    browser, german = browser_of(visitor), {"Accept-Language": "de"}
    assert "Tippe löschen, um zu bestätigen" in browser.get("/data/", headers=german).text
    assert browser.post("/data/erase/", {"word": "löschen"}, headers=german).status_code == 302


def test_a_person_erases_the_account(
    toy: Model, alice: User, bob: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    shared = team(bob, member=alice)
    AuditEntry.objects.create(workspace=shared, event="member.changed", actor=bob.email, subject=alice.email)
    personal = workspaces.personal_of(alice)
    ledger.grant(account=personal.id, reference="test:alice", amount=100, kind=ledger.LotKind.PACK)
    finished(personal)
    browser = browser_of(bob)
    sign_in(browser, alice.email)
    browser = browser_of(alice)
    answer = browser.post("/account/erase/", {"word": "erase"})
    assert answer["Location"].startswith("/account/reauthenticate/")  # a borrowed session is not enough
    assert User.objects.filter(id=alice.id).exists()
    prove_again(browser)
    with django_capture_on_commit_callbacks(execute=True):
        browser.post("/account/erase/", {"word": "erase"})
    assert not User.objects.filter(id=alice.id).exists()
    assert not Workspace.objects.filter(id=personal.id).exists()
    assert not Generation.objects.exists()
    assert "_auth_user_id" not in browser.session
    assert alice.email not in str(list(AuditEntry.objects.values()))
    assert Workspace.objects.filter(id=shared.id).exists()
    assert not any("alice" in str(session.get_decoded()) for session in Session.objects.all())


def test_an_owner_of_others_teams_hands_over_first(alice: User, bob: User) -> None:
    team(alice, member=bob)
    browser = browser_of(alice)
    prove_again(browser)
    answer = browser.post("/account/erase/", {"word": "erase"})
    assert answer.status_code == 409
    assert "Studio" in answer.text
    assert User.objects.filter(id=alice.id).exists()


def test_a_team_of_one_goes_with_its_person(alice: User) -> None:
    alone = team(alice)
    browser = browser_of(alice)
    prove_again(browser)
    browser.post("/account/erase/", {"word": "erase"})
    assert not Workspace.objects.filter(id=alone.id).exists()
    assert not Membership.objects.exists()


def test_somebody_new_is_told_that_nothing_is_kept(db: None) -> None:
    assert "Right now we have nothing about you" in Client().get("/data/").text
    assert Client().get("/data/export.zip").status_code == 404


def test_staff_suspend_by_an_action_that_is_audited(toy: Model, visitor: Visitor) -> None:
    staff = person("staff@example.org", is_staff=True)
    generation = generations.submitted(visitor.workspace)
    browser = browser_of(staff)
    chosen = {"action": "suspend_selected", "_selected_action": str(visitor.workspace_id)}
    assert browser.post("/admin/accounts/workspace/", chosen).status_code == 302
    generation.refresh_from_db()
    assert generation.state == "cancelled"
    entry = AuditEntry.objects.get(event="workspace.suspended")
    assert entry.actor == "staff staff@example.org"
    assert browser.post(f"/admin/accounts/auditentry/{entry.id}/delete/", {"post": "yes"}).status_code == 404
