"""A clip whose render let a short one go first: what the site makes of it, and that nobody loses by it."""

from __future__ import annotations

import redis
from django.urls import reverse

from accounts.models import Visitor
from billing import ledger
from generation import reports
from generation.models import Generation, State
from generation.scheduling import dispatch, places, wait
from generation.settlement import settle
from gpu_worker.contract import Outcome, RenderError
from gpu_worker.error_codes import STEPPED_ASIDE
from gpu_worker.valkey_names import attempt_of
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.gpu_worker.conftest import report_status

ASIDE = RenderError(code=STEPPED_ASIDE, message="A short clip goes first.", is_retryable=True)


def line() -> list[str]:
    """Ids of clips in RQ's line."""
    return [attempt_of(job_id)[0] for job_id in dispatch.render_queue().job_ids]


def step_aside(generation: Generation, *, at_step: int = 3) -> None:
    said = factories.report(generation, Outcome.FAILED, error=ASIDE, steps_done=at_step)
    assert reports.finished(said.to_wire())
    generation.refresh_from_db()


def test_it_waits_first_in_line_for_the_worker_that_has_its_steps(running: Generation, bob: Visitor) -> None:
    dispatch.render_queue().empty()  # its worker has taken it
    others = [str(factories.submitted(bob.workspace).id) for _ in range(2)]
    dispatch.fill_window()
    assert line() == others
    step_aside(running)
    dispatch.fill_window()
    running.refresh_from_db()
    assert line() == [str(running.id), *others]
    job = running.render_job(inputs={}, outputs={})
    assert (job.attempt, job.times_aside, job.kept_by) == (2, 1, "gpu-test")
    assert ledger.receipt(reference=running.id).state == "open"


def test_it_takes_no_try_from_the_clip_and_is_charged_once(running: Generation) -> None:
    for attempt in range(1, 6):
        step_aside(running)
        dispatch.fill_window()
        assert settle.start(generation_id=running.id, attempt=attempt + 1, worker="gpu-test")
    factories.deliver_clip(running)
    assert reports.finished(factories.report(running, resumed_from_step=3).to_wire())
    running.refresh_from_db()
    receipt = ledger.receipt(reference=running.id)
    assert (running.state, running.times_aside, running.resumed_from_step) == (State.SUCCEEDED, 5, 3)
    assert (receipt.captured, receipt.released) == (running.credits_quoted, 0)


def test_cancelled_while_it_is_aside_it_costs_nothing(running: Generation) -> None:
    step_aside(running)
    settle.cancel(running)
    running.refresh_from_db()
    receipt = ledger.receipt(reference=running.id)
    assert (running.state, receipt.captured, receipt.released) == (State.CANCELLED, 0, running.credits_quoted)


def test_whoever_is_lost_after_it_leaves_a_clip_that_begins_anew_anywhere(running: Generation) -> None:
    step_aside(running)
    dispatch.fill_window()
    assert settle.start(generation_id=running.id, attempt=2, worker="gpu-test")
    assert factories.lose_worker(running, 2)
    running.refresh_from_db()
    assert (running.state, running.kept_by, running.resumed_from_step) == (State.QUEUED, "", 0)


def test_its_page_says_why_it_waits_and_its_receipt_how_often(
    alice: Visitor, running: Generation, client_of: ClientOf, valkey: redis.Redis
) -> None:
    report_status(valkey, "gpu-test", state="idle")
    step_aside(running)
    assert wait.wait_of(running).reason == "Short clips go first for a moment. Then yours goes on from step 3."
    page = client_of(alice).get(reverse("generation:detail", args=[running.id])).content.decode()
    assert "It let short clips go first once." in page


def test_what_is_aside_is_before_nobody(running: Generation, bob: Visitor) -> None:
    short = factories.submitted(bob.workspace)
    dispatch.fill_window()
    short.refresh_from_db()
    assert places.place_of(short, 2**40).number == 1
    step_aside(running)
    dispatch.fill_window()
    running.refresh_from_db()
    assert places.place_of(short, 2**40).number == 0
    assert places.place_of(running, 2**40).number == 1
