"""How a generation is started, cancelled and settled. Each moves state and money together.

Every change of state is one ``UPDATE … WHERE state`` whose row count says who won; the ledger is written in the same
transaction. So a report may come twice, late, or while somebody cancels: the first to arrive decides.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rq.command import send_command

from billing import free_gpu_budget, ledger
from catalog import measurements
from catalog.pricing import is_free_reroll
from generation.models import OPEN_STATES, Clip, Generation, State
from generation.moderation import gate, outputs
from generation.moderation.models import KEPT_BACK
from generation.provenance import signing
from generation.provenance.signing import Signed
from generation.provider_keys import use
from generation.scheduling import capacity, dispatch, service_rates, storage_pause
from generation.settlement import attempts, endings, error_words, retries
from generation.storage import files, retention, traces
from gpu_worker.contract import ClipFacts, Outcome, RenderError, RenderReport
from gpu_worker.error_codes import DOES_NOT_FIT, STEPPED_ASIDE
from gpu_worker.valkey_names import CANCEL_TTL_SECONDS, cancel_key
from loremotion.refusals import Conflict
from loremotion.valkey import connection

logger = logging.getLogger(__name__)


def cancel(generation: Generation) -> None:
    """Stop a generation: at once with everything given back while it waits, at the next step while it runs.

    Raises:
        Conflict: it has ended already.
    """
    now = timezone.now()
    with transaction.atomic():
        waiting = Generation.objects.filter(id=generation.id, state__in=[State.QUEUED, State.DISPATCHED])
        if waiting.update(state=State.CANCELLED, finished_at=now, cancel_asked_at=now, flow="", network=""):
            endings.lock_sequels(generation.id)
            ledger.release(reference=generation.id, is_our_failure=False)
            endings.wind_up(generation.id, State.CANCELLED)
        elif not Generation.objects.filter(id=generation.id, state=State.RUNNING).update(cancel_asked_at=now):
            raise Conflict(
                "already_ended", _("This clip has already finished."), next_step=_("There's nothing to cancel.")
            )
        transaction.on_commit(lambda: tell_worker_to_stop(generation), robust=True)  # housekeeping repeats it


def tell_worker_to_stop(generation: Generation) -> None:
    """Tell the worker to stop, in two ways: one about to begin sees the key, one in the middle gets the command."""
    connection().set(cancel_key(str(generation.id)), "1", ex=CANCEL_TTL_SECONDS)
    if generation.attempt:
        job = attempts.job_of(generation)
        if job is not None and job.worker_name:
            send_command(connection(), job.worker_name, "stop-job", job_id=job.id)


def start(*, generation_id: uuid.UUID, attempt: int, worker: str) -> bool:
    """Note that a worker has begun. Returns whether that was new."""
    begun = Generation.objects.filter(id=generation_id, attempt=attempt, state=State.DISPATCHED)
    cards = capacity.cards_of(capacity.status_of(worker))
    is_news = bool(begun.update(state=State.RUNNING, started_at=timezone.now(), worker=worker, cards=cards))
    if is_news:
        dispatch.fill_window()  # its place in the window is free
    return is_news


def settle(report: RenderReport, *, signs: bool = False) -> bool:
    """End a generation as its worker reports it, and its hold with it. Returns whether this report decided it.

    A success counts from any attempt, since the clip is there. Anything else counts from the present attempt only.

    Args:
        signs: whether a finished clip is signed first, which takes seconds: see ``signing_queue``.
    """
    generation = (
        Generation.objects.select_related("version__model", "workspace").filter(id=report.generation_id).first()
    )
    if generation is None or generation.deleted_at is not None:
        _forget_late(report, generation)
        return False
    if not generation.is_open:
        return False
    if (fault := _fault_to_retry(generation, report)) is not None:
        code, reason = fault
        return retries.requeue(
            generation_id=generation.id,
            attempt=report.attempt,
            code=code,
            reason=reason,
            gpu_seconds=report.gpu_seconds,
            kept=retries.Kept(report.worker, report.steps_done) if code == STEPPED_ASIDE else None,
        )
    if report.outcome == Outcome.SUCCEEDED and outputs.is_kept_back(generation, report.picture_score):
        report = replace(report, outcome=Outcome.BLOCKED, error=outputs.EXPLICIT)
    if signs and report.outcome == Outcome.SUCCEEDED and report.clip is not None:
        with signing.sign_clip(generation, report.clip.sha256) as signed:
            return _settle(generation, report, signed)
    return _settle(generation, report, None)


def _settle(generation: Generation, report: RenderReport, signed: Signed | None) -> bool:
    with transaction.atomic():
        if not _end(generation, report):
            return False
        endings.lock_sequels(generation.id)
        is_our_failure = False
        if report.outcome == Outcome.SUCCEEDED and report.clip is not None:
            _keep_clip(generation, report.clip, signed)
            ledger.capture(reference=generation.id)
            storage_pause.note_success()
            if not report.resumed_from_step:  # else its seconds are those of a part of the clip
                _measure(generation, report)
        elif report.outcome == Outcome.CANCELLED and generation.cancel_asked_at:
            ledger.capture(reference=generation.id, amount=share_for_steps(generation, report))
        elif report.outcome == Outcome.BLOCKED:
            _keep_back(generation)
        else:
            is_our_failure = True
            ledger.release(reference=generation.id, is_our_failure=not is_free_reroll(generation.quote))
        if generation.version.family_facts.is_remote and (report.error or report.outcome == Outcome.SUCCEEDED):
            use.note_end(generation, report.error)
        free_gpu_budget.count(generation.id, gpu_seconds=report.gpu_seconds, now=timezone.now())
        endings.wind_up(generation.id, State(report.outcome.value), is_our_failure=is_our_failure)
        if report.attempt != generation.attempt:  # a worker given up for lost has delivered: its successor may stop
            transaction.on_commit(lambda: tell_worker_to_stop(generation), robust=True)
    return True


def _keep_clip(generation: Generation, measured: ClipFacts, signed: Signed | None) -> None:
    """Write down the clip that was delivered, as its signed file where there is one."""
    facts = Clip.facts_from(measured) | (signed.facts() if signed else signing.unsigned_facts())
    until = retention.keep_until(generation.workspace, timezone.now())
    Clip.objects.create(generation=generation, expires_at=until, **facts)
    if signed is not None:
        transaction.on_commit(lambda: files.delete_delivered(generation), robust=True)


def _keep_back(generation: Generation) -> None:
    """Count a clip that nobody is shown, and give its credits back unless they were used up that way."""
    gate.count(generation.workspace, KEPT_BACK)
    if outputs.is_given_back(generation):
        ledger.release(reference=generation.id, is_our_failure=False)
    else:
        ledger.capture(reference=generation.id)


def _forget_late(report: RenderReport, generation: Generation | None) -> None:
    """Delete what a worker delivered for a generation that is erased or deleted."""
    logger.warning(
        "A report came for %s, which is erased or deleted; so are now its files and what is in Valkey of it",
        report.generation_id,
    )
    files.delete_outputs(report.generation_id)
    traces.forget_late(report.generation_id, max(report.attempt, generation.attempt if generation else 0))


def _fault_to_retry(generation: Generation, report: RenderReport) -> tuple[str, str] | None:
    """Return code and reason why the attempt counts as failed and another is made; None if the report decides."""
    if report.outcome == Outcome.SUCCEEDED and (flaw := _flaw(generation, report.clip)) is not None:
        return flaw
    if report.outcome == Outcome.CANCELLED and not _is_called_off(generation):
        return "stopped_unasked", "The GPU worker stopped it unasked."
    error = report.error
    if error is not None and (error.is_retryable or _waits_for_a_larger_machine(generation, error)):
        return error.code, error_words.words_of(error, generation)
    return None


def _is_called_off(generation: Generation) -> bool:
    """Return whether somebody wants it stopped: its owner, who pays for the steps, or the fleet's operator, who sets
    the key alone. No GPU host may write that key, so none can end or charge what nobody cancelled."""
    return generation.cancel_asked_at is not None or bool(connection().exists(cancel_key(str(generation.id))))


def _flaw(generation: Generation, facts: ClipFacts | None) -> tuple[str, str] | None:
    """Return code and reason why the reported clip is missing or damaged; None if it is there as reported."""
    if facts is None or not files.has_clip(generation):
        return "clip_missing", "The clip did not arrive."
    if not files.is_clip(generation, size_bytes=facts.size_bytes, sha256=facts.sha256):
        return "clip_damaged", "The clip did not arrive as its worker made it."
    return None


def _waits_for_a_larger_machine(generation: Generation, error: RenderError) -> bool:
    """Return whether the only machine that can hold it is gone, and those that are left have refused it."""
    return error.code == DOES_NOT_FIT and (generation.needs_bytes or 0) > capacity.budgets()[-1]


def _measure(generation: Generation, report: RenderReport) -> None:
    """Record what the clip took: a model's speed, memory and margin, and its forecasts, come from here."""
    service_rates.record(generation, report, card=capacity.card_of(capacity.status_of(report.worker)))
    measurements.record(
        generation.version,
        mode=generation.mode,
        preset=generation.preset,
        width=generation.width,
        height=generation.height,
        gpu_seconds=report.gpu_seconds,
        video_seconds=generation.seconds,
        peak_bytes=report.peak_bytes,
        similarity=report.similarity,
    )


def _end(generation: Generation, report: RenderReport) -> bool:
    still_open = Generation.objects.filter(id=generation.id, state__in=OPEN_STATES)
    if report.outcome != Outcome.SUCCEEDED:
        still_open = still_open.filter(attempt=report.attempt)
    changes: dict[str, Any] = {
        "state": State(report.outcome.value),
        "finished_at": timezone.now(),
        "steps_done": report.steps_done,
        "resumed_from_step": report.resumed_from_step,
        "cards": report.cards,
        "stage_seconds": report.stage_seconds,
        "peak_bytes": report.peak_bytes,
        "worker": report.worker,
    }
    if report.error is not None:
        changes |= {
            "error_code": report.error.code,
            "error_message": error_words.storable(error_words.words_of(report.error, generation)),
        }
    return bool(still_open.update(**changes))


def share_for_steps(generation: Generation, report: RenderReport) -> int:
    """Return the credits that a cancelled clip costs: its price in proportion to the steps already run, rounded down.

    The total is the worker's own: a long clip runs the preset's steps once for each of its parts.
    """
    total = max(report.steps_total, generation.steps)
    return generation.credits_quoted * min(report.steps_done, total) // total
