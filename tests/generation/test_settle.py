"""Ending a generation: state and money move together, once, whoever comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from accounts.models import Visitor
from billing import ledger
from catalog.models import Measurement, Model
from generation import reports
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import retries, settle
from generation.storage import files
from gpu_worker.contract import Outcome, RenderError
from gpu_worker.error_codes import HANDED_BACK
from gpu_worker.valkey_names import cancel_key
from loremotion.refusals import Conflict
from loremotion.valkey import connection
from tests.generation import factories
from tests.generation.conftest import ClientOf


def receipt_of(generation: Generation) -> tuple[str, int, int]:
    """State, credits charged, credits given back."""
    generation.refresh_from_db()
    receipt = ledger.receipt(reference=generation.id)
    assert (receipt.state == "open") == generation.is_open
    return generation.state, receipt.captured, receipt.released


def test_a_success_is_charged_in_full_and_its_clip_kept(running: Generation) -> None:
    factories.deliver_clip(running)
    assert reports.finished(factories.report(running).to_wire())
    assert receipt_of(running) == (State.SUCCEEDED, running.credits_quoted, 0)
    assert running.clip.num_frames == running.num_frames


@pytest.mark.parametrize(("resumed_from_step", "clips"), [(0, 1), (3, 0)])
def test_of_a_render_that_went_on_from_an_earlier_attempt_no_speed_is_learned(
    running: Generation, resumed_from_step: int, clips: int
) -> None:
    """It costs what any other does, and its seconds are those of a part."""
    factories.deliver_clip(running)
    report = factories.report(running, resumed_from_step=resumed_from_step, stage_seconds={"denoising": 2.0})
    assert reports.finished(report.to_wire())
    assert receipt_of(running) == (State.SUCCEEDED, running.credits_quoted, 0)
    assert sum(Measurement.objects.values_list("clips", flat=True)) == clips


def test_the_receipt_says_from_which_step_a_render_went_on(
    running: Generation, alice: Visitor, client_of: ClientOf
) -> None:
    factories.lose_worker(running, 1)
    dispatch.fill_window()
    running.refresh_from_db()
    settle.start(generation_id=running.id, attempt=2, worker="gpu-test")
    factories.deliver_clip(running)
    reports.finished(factories.report(running, resumed_from_step=3).to_wire())
    client = client_of(alice)
    assert client.get(f"/v1/videos/{running.id}").json()["lm"]["resumed_from_step"] == 3
    assert "It went on from step 3" in client.get(f"/generations/{running.id}/").text


def test_a_clip_of_several_cards_says_so_at_the_price_of_one(
    running: Generation, alice: Visitor, client_of: ClientOf
) -> None:
    factories.deliver_clip(running)
    reports.finished(factories.report(running, cards=2).to_wire())
    assert receipt_of(running) == (State.SUCCEEDED, running.credits_quoted, 0)
    page = client_of(alice).get(f"/generations/{running.id}/").text
    assert "It was made on a machine of 2 GPUs. It costs what it would on one." in page


def test_the_same_report_twice_settles_once(running: Generation) -> None:
    factories.deliver_clip(running)
    said = factories.report(running).to_wire()
    assert reports.finished(said)
    assert not reports.finished(said)
    assert receipt_of(running) == (State.SUCCEEDED, running.credits_quoted, 0)


def test_a_failure_costs_nothing_and_says_why(running: Generation) -> None:
    reports.finished(factories.report(running, Outcome.FAILED).to_wire())
    assert receipt_of(running) == (State.FAILED, 0, running.credits_quoted)
    assert "31.0 GB" in running.error_message


def test_a_worker_that_leaves_in_good_order_takes_no_try_from_the_clip(running: Generation) -> None:
    left = RenderError(code=HANDED_BACK, message="Its GPU worker had to stop.", is_retryable=True)
    for attempt in range(1, 6):
        assert reports.finished(factories.report(running, Outcome.FAILED, error=left).to_wire())
        running.refresh_from_db()
        assert (running.state, running.attempt) == (State.QUEUED, attempt)
        dispatch.fill_window()
    assert receipt_of(running) == (State.DISPATCHED, 0, 0)


def test_a_clip_that_was_handed_back_has_all_its_tries(running: Generation) -> None:
    left = RenderError(code=HANDED_BACK, message="Its GPU worker had to stop.", is_retryable=True)
    crashed = RenderError(code="worker_lost", message="Its GPU worker crashed.", is_retryable=True)
    for error, state in [(left, State.QUEUED)] * 4 + [(crashed, State.QUEUED)] * 2 + [(crashed, State.FAILED)]:
        assert reports.finished(factories.report(running, Outcome.FAILED, error=error).to_wire())
        running.refresh_from_db()
        assert running.state == state
        dispatch.fill_window()
        running.refresh_from_db()


def test_a_blocked_clip_costs_nothing(running: Generation) -> None:
    reports.finished(factories.report(running, Outcome.BLOCKED).to_wire())
    assert receipt_of(running) == (State.BLOCKED, 0, running.credits_quoted)


def test_nobody_pays_for_a_clip_that_did_not_arrive(running: Generation) -> None:
    reports.finished(factories.report(running).to_wire())
    running.refresh_from_db()
    assert running.state == State.QUEUED
    assert ledger.receipt(reference=running.id).state == "open"


def test_cancelling_what_waits_gives_everything_back(toy: Model, alice: Visitor) -> None:
    waiting = factories.submitted(alice.workspace)
    settle.cancel(waiting)
    assert receipt_of(waiting) == (State.CANCELLED, 0, waiting.credits_quoted)


def test_cancelling_what_runs_asks_the_worker_and_charges_the_steps_it_ran(
    running: Generation, django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        settle.cancel(running)
    assert connection().exists(cancel_key(str(running.id)))
    assert receipt_of(running)[0] == State.RUNNING
    reports.finished(factories.report(running, Outcome.CANCELLED, steps_done=3).to_wire())
    charged = running.credits_quoted * 3 // 8
    assert receipt_of(running) == (State.CANCELLED, charged, running.credits_quoted - charged)


def test_a_report_that_comes_after_a_cancel_changes_nothing(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    generation.refresh_from_db()
    settle.cancel(generation)
    factories.deliver_clip(generation)
    assert not reports.finished(factories.report(generation).to_wire())
    assert receipt_of(generation) == (State.CANCELLED, 0, generation.credits_quoted)


def test_what_has_ended_cannot_be_cancelled(running: Generation) -> None:
    factories.deliver_clip(running)
    reports.finished(factories.report(running).to_wire())
    with pytest.raises(Conflict):
        settle.cancel(running)


def test_a_lost_worker_leads_to_another_attempt_in_the_same_place(running: Generation) -> None:
    place = running.fair_finish
    assert factories.lose_worker(running, 1)
    running.refresh_from_db()
    assert (running.state, running.attempt, running.fair_finish) == (State.QUEUED, 1, place)
    dispatch.fill_window()
    running.refresh_from_db()
    assert (running.state, running.attempt) == (State.DISPATCHED, 2)


def test_after_the_last_attempt_it_fails_and_the_credits_come_back(running: Generation, settings: Settings) -> None:
    for attempt in range(1, settings.MAX_ATTEMPTS + 1):
        assert factories.lose_worker(running, attempt)
        dispatch.fill_window()
    assert receipt_of(running) == (State.FAILED, 0, running.credits_quoted)
    assert "tried 3 times" in running.error_message


def test_a_report_for_an_erased_clip_is_no_accident(running: Generation) -> None:
    report = factories.report(running)
    assert not settle.settle(replace(report, generation_id="00000000-0000-4000-8000-000000000000"))


def test_a_loss_reported_twice_costs_one_attempt(running: Generation) -> None:
    assert factories.lose_worker(running, 1, "gone")
    assert not factories.lose_worker(running, 1, "gone")


def test_a_worker_that_was_given_up_may_still_deliver(running: Generation) -> None:
    late = factories.report(running)
    factories.lose_worker(running, 1, "silent")
    dispatch.fill_window()
    factories.deliver_clip(running)
    assert settle.settle(late)
    assert receipt_of(running) == (State.SUCCEEDED, running.credits_quoted, 0)


def test_a_stale_failure_does_not_end_the_attempt_that_follows(running: Generation) -> None:
    late = factories.report(running, Outcome.FAILED)
    factories.lose_worker(running, 1, "silent")
    dispatch.fill_window()
    assert not settle.settle(late)
    running.refresh_from_db()
    assert running.state == State.DISPATCHED


def test_a_failure_that_another_try_may_mend_is_tried_again(running: Generation) -> None:
    error = RenderError(code="upload_failed", message="The storage did not answer.", is_retryable=True)
    assert settle.settle(factories.report(running, Outcome.FAILED, error=error))
    running.refresh_from_db()
    assert running.state == State.QUEUED


BLACK = RenderError(code="clip_broken", message="The clip came out black.", is_retryable=True)


def test_a_broken_clip_is_made_once_more_with_another_seed(running: Generation) -> None:
    seed = running.seed
    report = factories.report(running, Outcome.FAILED, error=BLACK)
    assert settle.settle(report)
    assert not settle.settle(report)
    running.refresh_from_db()
    assert (running.state, running.first_seed) == (State.QUEUED, seed)
    assert running.seed != seed
    assert running.render_job(inputs={}, outputs={}).seed == running.seed


def test_a_clip_that_breaks_with_both_seeds_fails_and_the_credits_come_back(running: Generation) -> None:
    seed = running.seed
    for _ in range(2):
        settle.settle(factories.report(running, Outcome.FAILED, error=BLACK))
        dispatch.fill_window()
    assert receipt_of(running) == (State.FAILED, 0, running.credits_quoted)
    assert (running.error_code, running.first_seed) == ("clip_broken", seed)
    assert running.error_message == "The clip came out black. We tried 2 times."


def test_what_a_worker_remarks_of_a_clip_is_kept(running: Generation) -> None:
    factories.deliver_clip(running)
    settle.settle(factories.report(running, clip=replace(factories.clip_facts(running), remark="frozen")))
    running.refresh_from_db()
    assert running.clip.remark == "frozen"


def test_cancelling_while_the_worker_dies_ends_it_without_cost(running: Generation) -> None:
    settle.cancel(running)
    assert factories.lose_worker(running, 1)
    assert receipt_of(running) == (State.CANCELLED, 0, running.credits_quoted)


def test_a_success_without_a_clip_is_none(running: Generation) -> None:
    factories.deliver_clip(running)
    settle.settle(replace(factories.report(running), clip=None))
    assert receipt_of(running) == (State.QUEUED, 0, 0)


def test_a_workers_words_never_keep_a_clip_from_ending(running: Generation) -> None:
    error = RenderError(code="internal", message="bad \x00 byte " + "x" * 1_000)
    assert settle.settle(factories.report(running, Outcome.FAILED, error=error))
    assert receipt_of(running) == (State.FAILED, 0, running.credits_quoted)


MISSING = RenderError(
    code="model_missing",
    message="No checkpoint at /srv/site/var/models/x: a folder with a model_index.json is expected there",
)


@pytest.mark.parametrize(
    "error",
    [
        MISSING,
        RenderError(code="load_failed", message="Cannot read /srv/site/var/models/x/vae"),
        RenderError(code="load_failed", message="[Errno 2] No such file: '/srv/site/var/x.safetensors'"),
        RenderError(code="load_failed", message=r"Cannot read C:\\models\\x"),
    ],
)
def test_no_path_of_a_machine_is_told_to_people(
    running: Generation, error: RenderError, caplog: pytest.LogCaptureFixture
) -> None:
    settle.settle(factories.report(running, Outcome.FAILED, error=error))
    running.refresh_from_db()
    assert running.error_message == "We couldn't load this model. That's on us, not on your prompt."
    assert error.message in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        "It needs 31.0 GB and the card has 24.0 GB.",
        "The answer of https://example.org/a/b was 404.",
        "Use a multiple of 32 and 24 and/or fewer frames, 3/4 of them.",
    ],
)
def test_other_words_of_a_worker_reach_people_as_they_are(running: Generation, message: str) -> None:
    settle.settle(factories.report(running, Outcome.FAILED, error=RenderError(code="x", message=message)))
    running.refresh_from_db()
    assert running.error_message == message


def test_the_last_of_several_tries_is_told_in_whole_sentences(running: Generation, settings: Settings) -> None:
    settings.MAX_ATTEMPTS = 1
    error = RenderError(code="odd", message="The card fell off the bus", is_retryable=True)
    settle.settle(factories.report(running, Outcome.FAILED, error=error))
    running.refresh_from_db()
    assert running.error_message == "The card fell off the bus. We tried once."


def test_a_late_success_stops_the_attempt_that_replaced_it(
    running: Generation, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    late = factories.report(running)
    retries.requeue(generation_id=running.id, attempt=1, code="worker_lost", reason="It fell silent.")
    dispatch.fill_window()
    factories.deliver_clip(running)
    with django_capture_on_commit_callbacks(execute=True):
        assert settle.settle(late)
    assert receipt_of(running) == (State.SUCCEEDED, running.credits_quoted, 0)
    assert connection().exists(cancel_key(str(running.id)))


def test_what_arrives_for_an_erased_one_is_deleted(running: Generation) -> None:
    report = factories.report(running)
    factories.deliver_clip(running)
    key = files.key(running, files.CLIP)
    ledger.release(reference=running.id)
    Generation.objects.filter(id=running.id).delete()
    assert not settle.settle(report)
    assert not default_storage.exists(key)
