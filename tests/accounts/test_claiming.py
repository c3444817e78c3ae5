"""From visitor to person, and from browser to browser, without loss."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import workspaces
from accounts.models import AuditEntry, Membership, User, Visitor, Workspace
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from generation.settlement import settle
from gpu_worker.contract import RenderReport
from loremotion.refusals import Conflict, InsufficientCredits
from tests.accounts.factories import PASSWORD, browser_of, code_mailed, person, sign_in
from tests.generation import factories as generations
from tests.patience import PATIENCE_SECONDS


def available(workspace: Workspace) -> int:
    return ledger.balance(account=workspace.id).available


def sign_up(browser: Client, email: str = "new@example.org") -> User:
    browser.post("/account/signup/", {"email": email, "password1": PASSWORD})
    browser.post("/account/confirm-email/", {"code": code_mailed()})
    return User.objects.get(email=email)


def test_signing_up_keeps_clips_credits_and_what_runs(toy: Model, visitor: Visitor) -> None:
    generation = generations.submitted(visitor.workspace)
    before = available(visitor.workspace)
    browser = browser_of(visitor)
    user = sign_up(browser)
    personal = Membership.objects.get(user=user).workspace
    assert personal.id == visitor.workspace_id
    assert personal.kind == "personal"
    assert available(personal) == before
    assert browser.cookies["visitor"].value == ""
    assert browser.get(f"/generations/{generation.id}/").status_code == 200
    assert not Visitor.objects.exists()
    settle.settle(_delivered(generation))
    assert ledger.balance(account=personal.id).held == 0


def test_signing_in_moves_clips_credits_and_what_runs(toy: Model, alice: User, visitor: Visitor) -> None:
    finished = generations.submitted(visitor.workspace, "finished")
    settle.settle(_delivered(finished))
    running = generations.submitted(visitor.workspace, "running")
    browser = browser_of(visitor)
    left = available(visitor.workspace)
    sign_in(browser)
    personal = workspaces.personal_of(alice)
    assert available(personal) == left
    assert "finished" in browser.get("/history/").text
    assert "running" in browser.get("/history/").text
    assert browser_of(visitor).get(f"/generations/{finished.id}/").status_code == 404  # the old cookie opens nothing
    # Its worker delivers to the address it was given before; a cancelled one gives its credits to the new account.
    before = available(personal)
    settle.cancel(Generation.objects.get(id=running.id))
    assert available(personal) == before + running.credits_quoted
    assert AuditEntry.objects.filter(workspace=personal, event="workspace.merged").count() == 1


def test_a_clip_delivered_after_the_merge_is_found(toy: Model, alice: User, visitor: Visitor) -> None:
    generation = generations.submitted(visitor.workspace)
    generations.deliver_clip(generation)
    report = generations.report(generation)
    browser = browser_of(visitor)
    sign_in(browser)
    assert settle.settle(report)
    assert browser.get(f"/generations/{generation.id}/clip.mp4").status_code == 200


def test_signing_in_twice_merges_once(toy: Model, alice: User, visitor: Visitor) -> None:
    workspaces.adopt(visitor=visitor, user=alice)
    total = available(workspaces.personal_of(alice))
    workspaces.adopt(visitor=visitor, user=alice)
    assert available(workspaces.personal_of(alice)) == total
    assert Membership.objects.filter(user=alice).count() == 1


def test_a_suspended_visitor_is_not_washed_clean(toy: Model, alice: User, visitor: Visitor) -> None:
    Workspace.objects.filter(id=visitor.workspace_id).update(suspended_at=timezone.now())
    sign_in(browser_of(visitor))
    assert Visitor.objects.filter(id=visitor.id).exists()
    assert available(workspaces.personal_of(alice)) == 0


@pytest.mark.django_db(transaction=True)
def test_a_clip_submitted_while_signing_in_is_not_lost() -> None:
    """Submitting and adopting at the same moment: the request comes along, or is refused. It is never left behind."""
    generations.model()
    alice = person()
    for _ in range(4):
        visitor = generations.visitor(credits=500)
        problems = at_once(
            partial(_submit_unless_too_late, visitor),
            partial(workspaces.adopt, visitor=visitor, user=alice),
        )
        assert problems == []
        assert not Generation.objects.filter(workspace=visitor.workspace_id).exists()
        assert ledger.violations(limit=5) == []


def _submit_unless_too_late(visitor: Visitor) -> None:
    with contextlib.suppress(InsufficientCredits, Conflict):
        generations.submitted(visitor.workspace)


def at_once(*actions: Callable[[], object]) -> list[BaseException]:
    """Run them in threads that start together; what they raised."""
    start = threading.Barrier(len(actions))
    problems: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        start.wait()
        try:
            action()
        except BaseException as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return problems


def test_a_claim_link_brings_the_clips_to_another_device(toy: Model, visitor: Visitor) -> None:
    generation = generations.submitted(visitor.workspace)
    link = browser_of(visitor).get("/account/").context["claim_link"]
    phone = Client()
    assert phone.get(link).status_code == 200
    assert phone.get(f"/generations/{generation.id}/").status_code == 404  # looking is not claiming
    assert phone.post(link).status_code == 302
    assert phone.get(f"/generations/{generation.id}/").status_code == 200
    assert browser_of(visitor).get(f"/generations/{generation.id}/").status_code == 200


def test_claiming_brings_along_what_the_device_has(toy: Model, visitor: Visitor) -> None:
    other = generations.visitor(credits=70)
    own = generations.submitted(other.workspace, "made on the phone")
    link = browser_of(visitor).get("/account/").context["claim_link"]
    phone = browser_of(other)
    phone.post(link)
    assert phone.get(f"/generations/{own.id}/").status_code == 200
    assert browser_of(visitor).get(f"/generations/{own.id}/").status_code == 200
    assert not Visitor.objects.filter(id=other.id).exists()


def test_a_person_claims_into_the_account(toy: Model, alice: User, visitor: Visitor) -> None:
    generation = generations.submitted(visitor.workspace)
    link = browser_of(visitor).get("/account/").context["claim_link"]
    browser_of(alice).post(link)
    assert Generation.objects.get(id=generation.id).workspace == workspaces.personal_of(alice)


@pytest.mark.parametrize("token", ["x", "IjAwMCI:1:2", "..%2F"])
def test_a_forged_claim_is_nothing(db: None, token: str) -> None:
    assert Client().get(f"/claim/{token}/").status_code == 404
    assert Client().post(f"/claim/{token}/").status_code == 404


def _delivered(generation: Generation) -> RenderReport:
    generations.deliver_clip(generation)
    return generations.report(generation)
