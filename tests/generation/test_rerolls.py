"""A clip that came out frozen or flickering is made once more for nothing: once, and nobody gets credits by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.caller import Caller
from accounts.models import Membership, Visitor
from accounts.roles import BY_ROLE, VISITOR_MAY
from billing import ledger
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.submission import rerolls
from gpu_worker.contract import Outcome, RenderError
from loremotion.refusals import Conflict, Forbidden, TooMany
from tests.accounts import factories as people
from tests.billing.books import LedgerClock
from tests.billing.conftest import ledger_clock
from tests.generation import factories

__all__ = ["ledger_clock"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def caller(toy: Model) -> Caller:
    owner = people.person()
    studio = people.team(owner)
    ledger.grant(account=studio.id, reference="test", amount=1_000, kind=ledger.LotKind.PACK)
    place = Membership.objects.select_related("user").get(workspace=studio, user=owner)
    return Caller(studio, BY_ROLE[place.role], membership=place)


def finished(caller: Caller, remark: str = "frozen") -> Generation:
    assert caller.workspace is not None
    made = factories.submitted(caller.workspace)
    return end(made, remark)


def end(made: Generation, remark: str = "frozen") -> Generation:
    dispatch.fill_window()
    assert settle.start(generation_id=made.id, attempt=1, worker="gpu-test")
    made.refresh_from_db()
    factories.deliver_clip(made)
    settle.settle(factories.report(made, clip=replace(factories.clip_facts(made), remark=remark)))
    return Generation.objects.select_related("version__model", "workspace", "clip").get(id=made.id)


def let_lapse(ledger_clock: LedgerClock) -> None:
    """Whatever was given until now has lapsed: by the site's clock, which goes on where the ledger's stands still."""
    ledger_clock.set(timezone.now() + rerolls._LAPSES)


def available(caller: Caller) -> int:
    assert caller.workspace is not None
    return ledger.balance(account=caller.workspace.id).available


@pytest.mark.parametrize("remark", ["frozen", "flicker"])
def test_it_costs_nothing_and_has_another_seed(caller: Caller, remark: str) -> None:
    first = finished(caller, remark)
    before = available(caller)
    again = rerolls.make(first, caller=caller)
    assert (again.prompt, again.width, again.num_frames) == (first.prompt, first.width, first.num_frames)
    assert again.seed != first.seed
    assert available(caller) == before
    again = end(again)
    assert (again.state, available(caller)) == (State.SUCCEEDED, before)
    assert ledger.receipt(reference=again.id).captured == first.credits_quoted


def test_each_clip_has_one_and_a_re_roll_has_none(caller: Caller) -> None:
    first = finished(caller)
    again = end(rerolls.make(first, caller=caller))
    for clip in (first, again):
        assert not rerolls.is_offered(caller, clip)
        with pytest.raises(Conflict):
            rerolls.make(clip, caller=caller)


def test_who_cancels_it_gets_nothing(caller: Caller, ledger_clock: LedgerClock) -> None:
    first = finished(caller)
    before = available(caller)
    again = rerolls.make(first, caller=caller)
    let_lapse(ledger_clock)
    settle.cancel(again)
    assert available(caller) == before


def test_one_that_we_fail_to_make_leaves_no_credits(caller: Caller, ledger_clock: LedgerClock) -> None:
    first = finished(caller)
    before = available(caller)
    again = rerolls.make(first, caller=caller)
    let_lapse(ledger_clock)
    dispatch.fill_window()
    again.refresh_from_db()
    settle.start(generation_id=again.id, attempt=1, worker="gpu-test")
    settle.settle(factories.report(again, Outcome.FAILED, error=RenderError(code="out_of_memory", message="No.")))
    again.refresh_from_db()
    assert again.state == State.FAILED
    assert (ledger.receipt(reference=again.id).released, available(caller)) == (again.credits_quoted, before)


def test_one_that_is_given_up_leaves_no_credits(caller: Caller, ledger_clock: LedgerClock, settings: Settings) -> None:
    settings.MAX_ATTEMPTS = 1
    first = finished(caller)
    before = available(caller)
    again = rerolls.make(first, caller=caller)
    let_lapse(ledger_clock)
    dispatch.fill_window()
    assert factories.lose_worker(again, 1)
    again.refresh_from_db()
    assert (again.state, available(caller)) == (State.FAILED, before)


@pytest.mark.parametrize("why", ["fine", "old", "deleted", "retired"])
def test_other_clips_have_none(caller: Caller, why: str) -> None:
    clip = finished(caller, "" if why == "fine" else "frozen")
    if why == "old":
        clip.finished_at = timezone.now() - rerolls.LASTS
    elif why == "deleted":
        clip.deleted_at = timezone.now()
    elif why == "retired":
        clip.version.model.status = "disabled"
    assert not rerolls.is_offered(caller, clip)
    with pytest.raises(Conflict):
        rerolls.make(clip, caller=caller)


def test_a_workspace_has_a_few_a_day(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerolls, "MOST_A_DAY", 1)
    first, second = finished(caller), finished(caller)
    rerolls.make(first, caller=caller)
    with pytest.raises(TooMany):
        rerolls.make(second, caller=caller)


def test_visitors_have_none(toy: Model, alice: Visitor) -> None:
    caller = Caller(alice.workspace, VISITOR_MAY)
    clip = finished(caller)
    assert not rerolls.is_offered(caller, clip)
    with pytest.raises(Forbidden):
        rerolls.make(clip, caller=caller)


def test_the_page_of_the_clip_has_the_button_until_it_was_pressed(caller: Caller) -> None:
    clip = finished(caller)
    assert caller.user is not None
    browser = people.browser_of(caller.user, caller.workspace)
    page = reverse("generation:detail", args=[clip.id])
    assert "Try another seed, free" in browser.get(page).text
    answer = browser.post(reverse("generation:reroll", args=[clip.id]), follow=True)
    assert "Free re-roll" in answer.text
    assert "Try another seed, free" not in browser.get(page).text
