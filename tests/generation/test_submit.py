"""Submitting: the price is held and the request queued, or neither happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.models import Visitor
from billing import ledger
from billing.models import FreeDay, FreeReservation
from billing.plans import entitlements
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from gpu_worker.contract import Outcome, RenderError, RenderReport
from loremotion.refusals import InsufficientCredits, Invalid, TooMany
from tests.generation import factories


def test_it_works(
    toy: Model, alice: Visitor, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    before = ledger.balance(account=alice.workspace_id).available
    with django_capture_on_commit_callbacks(execute=True):
        generation = factories.submitted(alice.workspace, "a fox in snow", seconds=2, seed=7)
    generation.refresh_from_db()
    assert generation.state == State.DISPATCHED
    assert (generation.num_frames, generation.seed, generation.prompt) == (17, 7, "a fox in snow")
    balance = ledger.balance(account=alice.workspace_id)
    assert balance.held == generation.credits_quoted > 0
    assert dispatch.render_queue().get_job_ids() == [generation.job_id]
    assert before + 60 == balance.available + balance.held  # the day's allowance came on top


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  \n "}, "prompt"),
        ({"prompt": "x" * 10_000}, "prompt"),
        ({"prompt": "a\x00b"}, "prompt"),
        ({"prompt": "a", "size": "65x65"}, "size"),
        ({"prompt": "a", "size": "<script>"}, "size"),
        ({"prompt": "a", "seconds": 0.0}, "seconds"),
        ({"prompt": "a", "seconds": 99.0}, "seconds"),
        ({"prompt": "a", "seconds": float("nan")}, "seconds"),
        ({"prompt": "a", "seconds": float("inf")}, "seconds"),
        ({"prompt": "a", "model": "sora"}, "model"),
        ({"prompt": "a", "mode": "telepathy"}, "mode"),
        ({"prompt": "a", "preset": "best"}, "preset"),
        ({"prompt": "a", "steps": 0}, "steps"),
        ({"prompt": "a", "seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name_before_anything_is_written(
    toy: Model, asked: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        make_offer(Ask(**asked))  # type: ignore[arg-type]
    assert refusal.value.field == field
    assert refusal.value.next_step
    assert not Generation.objects.exists()


@pytest.mark.parametrize("prompt", ["🦊 in ❄️", "ثعلب في الثلج", "<script>alert(1)</script>", "línea\nnueva", "a" * 254])
def test_any_honest_text_is_a_prompt(toy: Model, alice: Visitor, prompt: str) -> None:
    assert factories.submitted(alice.workspace, prompt).prompt == prompt


def test_without_credits_there_is_no_row_and_no_hold(toy: Model, settings: Settings) -> None:
    settings.FREE_DAILY_CREDITS = 3
    poor = factories.visitor()
    with pytest.raises(InsufficientCredits) as refusal:
        factories.submitted(poor.workspace)
    assert "refill" in refusal.value.next_step
    assert not Generation.objects.exists()
    assert ledger.balance(account=poor.workspace_id).held == 0


def test_the_daily_allowance_is_given_once(toy: Model) -> None:
    visitor = factories.visitor()
    factories.submitted(visitor.workspace, seconds=1)
    factories.submitted(visitor.workspace, seconds=1)
    balance = ledger.balance(account=visitor.workspace_id)
    assert balance.available + balance.held == 60


def test_a_visitor_of_a_network_that_had_its_share_is_told_to_sign_in(toy: Model, settings: Settings) -> None:
    settings.ALLOWANCES_PER_NETWORK_PER_DAY = 1
    for browser in (Client(), Client()):
        answer = browser.post("/generations/", {"prompt": "a red circle", "model": "toy", "seconds": "1"})
    assert answer.status_code == 402
    assert "free credits. Sign in to get your own" in answer.content.decode()
    assert Generation.objects.count() == 1
    assert "Your network has used today's free credits" in browser.get("/billing/").content.decode()


def test_once_the_day_s_free_gpu_time_is_used_up_only_who_pays_makes_clips(
    toy: Model, alice: Visitor, settings: Settings
) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 5
    made = factories.submitted(alice.workspace, seconds=1)
    factories.deliver_clip(made)
    settle.start(generation_id=made.id, attempt=made.attempt, worker="gpu-test")
    settle.settle(replace(factories.report(made), stage_seconds={"denoise": 6.0}))
    left = ledger.balance(account=alice.workspace_id)
    with pytest.raises(TooMany, match="Today's free clips are used up"):
        factories.submitted(alice.workspace, seconds=1)
    assert ledger.balance(account=alice.workspace_id) == left
    ledger.grant(account=alice.workspace_id, reference="order:1", amount=50, kind=ledger.LotKind.PACK)
    assert factories.submitted(alice.workspace, seconds=1).state == State.QUEUED


def test_attempts_that_came_to_nothing_count_for_the_day_s_free_gpu_time(toy: Model, alice: Visitor) -> None:
    made = factories.submitted(alice.workspace, seconds=1)
    set_aside = FreeReservation.objects.get(hold_id=made.id).gpu_seconds

    def attempt(seconds: float, outcome: Outcome) -> RenderReport:
        dispatch.fill_window()
        made.refresh_from_db()
        settle.start(generation_id=made.id, attempt=made.attempt, worker="gpu-test")
        error = RenderError(code="cuda_error", message="The card is gone.", is_retryable=True)
        said = factories.report(made, outcome, stage_seconds={"denoise": seconds})
        return said if outcome == Outcome.SUCCEEDED else replace(said, error=error)

    def counted() -> list[float]:
        return list(FreeDay.objects.values_list("gpu_seconds", flat=True))

    failed = attempt(4.0, Outcome.FAILED)
    assert settle.settle(failed)
    assert not settle.settle(failed)  # it came twice
    assert counted() == [4.0]
    assert FreeReservation.objects.get(hold_id=made.id).gpu_seconds == set_aside
    settle.settle(attempt(2.0, Outcome.SUCCEEDED))  # and no clip arrived
    assert counted() == [6.0]
    last = attempt(3.0, Outcome.FAILED)
    settle.settle(last)
    made.refresh_from_db()
    assert made.state == State.FAILED
    assert counted() == [9.0]
    assert not FreeReservation.objects.exists()


def test_free_clips_that_wait_count_for_the_day_and_a_cancelled_one_does_not(
    toy: Model, alice: Visitor, settings: Settings
) -> None:
    settings.FREE_GPU_SECONDS_PER_DAY = 50  # such a clip is expected to take 60
    waiting = factories.submitted(alice.workspace, seconds=1)
    with pytest.raises(TooMany, match="Today's free clips are used up"):
        factories.submitted(alice.workspace, seconds=1)
    settle.cancel(waiting)
    assert factories.submitted(alice.workspace, seconds=1).state == State.QUEUED


def test_a_visitor_may_have_a_few_open_and_no_more(toy: Model, alice: Visitor) -> None:
    most = entitlements(alice.workspace_id).open_clips
    for _ in range(most):
        factories.submitted(alice.workspace, seconds=1)
    held = ledger.balance(account=alice.workspace_id).held
    with pytest.raises(TooMany):
        factories.submitted(alice.workspace, seconds=1)
    assert ledger.balance(account=alice.workspace_id).held == held
    assert Generation.objects.count() == most


def test_who_bought_credits_may_have_a_batch_open_as_far_as_they_reach(toy: Model, alice: Visitor) -> None:
    ledger.grant(account=alice.workspace_id, reference="order:1", amount=10, kind=ledger.LotKind.PACK)
    for _ in range(entitlements(None).open_clips + 3):
        factories.submitted(alice.workspace, seconds=1)


def test_with_valkey_away_the_request_is_kept(
    toy: Model,
    alice: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    for module in ("generation.scheduling.dispatch.connection", "generation.scheduling.capacity.connection"):
        monkeypatch.setattr(module, lambda: nobody)
    with django_capture_on_commit_callbacks(execute=True):
        generation = factories.submitted(alice.workspace)
    generation.refresh_from_db()
    assert generation.state == State.QUEUED
    monkeypatch.undo()
    dispatch.fill_window()
    generation.refresh_from_db()
    assert generation.state == State.DISPATCHED
