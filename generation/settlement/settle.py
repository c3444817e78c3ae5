"""How a generation ends, or begins anew: cancel, start, settle, requeue. Each moves state and money together.

Every change of state is one ``UPDATE … WHERE state`` whose row count says who won; the ledger is written in the same
transaction. So a report may come twice, late, or while somebody cancels: the first to arrive decides.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from rq.command import send_command

from billing import free_gpu_budget, ledger
from catalog import measurements
from catalog.requests import random_seed
from generation.live import progress
from generation.models import OPEN_STATES, Clip, Generation, State
from generation.provenance import signing
from generation.provenance.signing import Signed
from generation.scheduling import capacity, dispatch, service_rates, storage_pause
from generation.settlement import attempts, notifications
from generation.settlement.error_words import sentence, words_of
from generation.storage import files, retention, traces
from generation.webhooks import video_events
from gpu_worker.contract import (
    CANCEL_TTL_SECONDS,
    CLIP_BROKEN,
    DOES_NOT_FIT,
    HANDED_BACK,
    STORAGE_ERRORS,
    ClipFacts,
    Outcome,
    Progress,
    RenderError,
    RenderReport,
    cancel_key,
)
from loremotion.refusals import Conflict
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

EXCUSED_HAND_BACKS = 20
"""Attempts that end because their worker leaves in good order count for nothing, up to so many."""


def cancel(generation: Generation) -> None:
    """Stop a generation: at once with everything given back while it waits, at the next step while it runs.

    Raises:
        Conflict: it has ended already.
    """
    now = timezone.now()
    with transaction.atomic():
        waiting = Generation.objects.filter(id=generation.id, state__in=[State.QUEUED, State.DISPATCHED])
        if waiting.update(state=State.CANCELLED, finished_at=now, cancel_asked_at=now, flow="", network=""):
            ledger.release(reference=generation.id, is_our_failure=False)
            _wind_up(generation.id, State.CANCELLED)
        elif not Generation.objects.filter(id=generation.id, state=State.RUNNING).update(cancel_asked_at=now):
            raise Conflict("already_ended", "This clip has already finished.", next_step="There's nothing to cancel.")
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
    is_news = bool(begun.update(state=State.RUNNING, started_at=timezone.now(), worker=worker))
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
        return requeue(
            generation_id=generation.id,
            attempt=report.attempt,
            code=code,
            reason=reason,
            gpu_seconds=report.gpu_seconds,
        )
    if signs and report.outcome == Outcome.SUCCEEDED and report.clip is not None:
        with signing.signed(generation, report.clip.sha256) as signed:
            return _settle(generation, report, signed)
    return _settle(generation, report, None)


def _settle(generation: Generation, report: RenderReport, signed: Signed | None) -> bool:
    with transaction.atomic():
        if not _end(generation, report):
            return False
        if report.outcome == Outcome.SUCCEEDED and report.clip is not None:
            _keep_clip(generation, report.clip, signed)
            ledger.capture(reference=generation.id)
            storage_pause.note_success()
            if not report.resumed_from_step:  # else its seconds are those of a part of the clip
                _measure(generation, report)
        elif report.outcome == Outcome.CANCELLED:
            ledger.capture(reference=generation.id, amount=share_for_steps(generation, report))
        else:
            ledger.release(reference=generation.id)
        free_gpu_budget.count(generation.id, gpu_seconds=report.gpu_seconds, now=timezone.now())
        _wind_up(generation.id, State(report.outcome.value))
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
    error = report.error
    if error is not None and (error.is_retryable or _waits_for_a_larger_machine(generation, error)):
        return error.code, words_of(error, generation)
    return None


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
        "stage_seconds": report.stage_seconds,
        "peak_bytes": report.peak_bytes,
        "worker": report.worker,
    }
    if report.error is not None:
        changes |= {
            "error_code": report.error.code[:40],
            "error_message": _storable(words_of(report.error, generation)),
        }
    return bool(still_open.update(**changes))


def _storable(message: str) -> str:
    """Return a worker's words cut to what the column takes: a report that cannot be stored would never be settled."""
    return message.encode(errors="replace").decode().replace("\x00", "")[:500]


def share_for_steps(generation: Generation, report: RenderReport) -> int:
    """Return the credits that a cancelled clip costs: its price in proportion to the steps already run, rounded down.

    The total is the worker's own: a long clip runs the preset's steps once for each of its parts.
    """
    total = max(report.steps_total, generation.steps)
    return generation.credits_quoted * min(report.steps_done, total) // total


def requeue(*, generation_id: uuid.UUID, attempt: int, code: str, reason: str, gpu_seconds: float = 0.0) -> bool:
    """Try again after an attempt that failed through no fault of the request, or give up and give the credits back.

    The request keeps its tags and therefore its place. Returns whether this call decided it.

    Args:
        gpu_seconds: what the attempt took, by its report or, without one, by its signs of life.
    """
    with transaction.atomic():
        lost = Generation.objects.filter(id=generation_id, attempt=attempt, state__in=[State.DISPATCHED, State.RUNNING])
        if lost.filter(cancel_asked_at__isnull=False).update(state=State.CANCELLED, finished_at=timezone.now()):
            _give_up(generation_id, State.CANCELLED, gpu_seconds)
        elif (before := lost.only("excused_attempts", "first_seed").first()) is None:
            return False
        elif _is_last(before, attempt, code):
            times = "once" if attempt == 1 else f"{attempt} times"
            message = _storable(f"{sentence(reason[:400])} We tried {times}.")
            ended = lost.update(
                state=State.FAILED, finished_at=timezone.now(), error_code=code[:40], error_message=message
            )
            if not ended:
                return False
            _give_up(generation_id, State.FAILED, gpu_seconds)
        elif lost.update(
            state=State.QUEUED,
            worker="",
            steps_done=0,
            started_at=None,
            dispatched_at=None,
            excused_attempts=(excused := before.excused_attempts + _is_excused(before, code)),
            **_other_seed(code),
        ):
            free_gpu_budget.count_attempt(generation_id, gpu_seconds=gpu_seconds, now=timezone.now())
            next_try = attempt + 1 - excused
            transaction.on_commit(lambda: _announce_retry(generation_id, next_try, reason))
            transaction.on_commit(dispatch.fill_window)
        else:
            return False
        if code in STORAGE_ERRORS:
            storage_pause.note_failure()
    return True


def _is_last(before: Generation, attempt: int, code: str) -> bool:
    """Return whether no attempt follows: a broken clip gets one other seed, any other failure a few attempts."""
    if code == CLIP_BROKEN and before.first_seed is not None:
        return True
    return not _is_excused(before, code) and attempt - before.excused_attempts >= settings.MAX_ATTEMPTS


def _is_excused(before: Generation, code: str) -> bool:
    return before.excused_attempts < _most_excused(code)


def _other_seed(code: str) -> dict[str, Any]:
    """Return the changes that give a broken clip another seed: the same one would break it again."""
    return {"first_seed": F("seed"), "seed": random_seed()} if code == CLIP_BROKEN else {}


def _most_excused(code: str) -> int:
    """Return how many attempts may not count against a clip: it could not be stored, or its worker left."""
    if code == HANDED_BACK:
        return EXCUSED_HAND_BACKS
    return storage_pause.EXCUSED_ATTEMPTS if code in STORAGE_ERRORS and storage_pause.is_in_force() else 0


def _give_up(generation_id: uuid.UUID, state: State, gpu_seconds: float) -> None:
    ledger.release(reference=generation_id)
    free_gpu_budget.count(generation_id, gpu_seconds=gpu_seconds, now=timezone.now())
    _wind_up(generation_id, state)


def _announce_retry(generation_id: uuid.UUID, next_try: int, reason: str) -> None:
    count = f" ({next_try} of {settings.MAX_ATTEMPTS})" if 1 < next_try <= settings.MAX_ATTEMPTS else ""
    again = f"{sentence(reason)} Trying again{count}."
    progress.publish(generation_id, Progress(kind="stage", stage="queued", message=again))


def _wind_up(generation_id: uuid.UUID, state: State) -> None:
    """Do what every end needs, in its transaction: give back GPU time, write webhooks and mail, let uploads of a failed
    clip go; and tell whoever watches, after the commit."""
    free_gpu_budget.let_go(generation_id)
    video_events.record_end(generation_id, state)
    if state != State.SUCCEEDED:
        retention.let_uploads_go(generation_id)
    notifications.write(generation_id, state)
    transaction.on_commit(lambda: _announce_end(generation_id))


def _announce_end(generation_id: uuid.UUID) -> None:
    state = Generation.objects.values_list("state", flat=True).filter(id=generation_id).first()
    if state is not None:  # else it was erased together with its workspace
        progress.publish(generation_id, Progress(kind="done", stage=state))
    dispatch.fill_window()
