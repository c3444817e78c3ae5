"""What can be done to a generation: offer, submit, cancel, start, settle, hand on. Each moves state and money together.

Every change of state is one ``UPDATE … WHERE state`` whose row count says who won; the ledger is written in the same
transaction. So a report may come twice, late, or while somebody cancels: the first to arrive decides.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.serializers import JSONSerializer

from accounts import tenancy
from accounts.models import Workspace
from accounts.roles import Action
from accounts.tenancy import Caller
from billing import allowance, breaker, ledger
from billing.errors import NotEnoughCredits
from billing.plans import entitlements
from billing.shop import budgets
from catalog import measurements
from catalog.gates import ANYBODY, Audience
from catalog.models import ModelVersion
from catalog.pricing import Quote, quote
from catalog.requests import Ask, ClipRequest, resolve
from catalog.selection import choose
from generation import caps, dispatch, estimate, files, fleet, privacy, progress, queue, repeats, retention
from generation.models import OPEN_STATES, Clip, Generation, State
from generation.outbox import video_events, wishes
from generation.repeats import Repeat
from gpu_worker.contract import (
    CANCEL_TTL_SECONDS,
    DOES_NOT_FIT,
    Outcome,
    Progress,
    RenderError,
    RenderReport,
    cancel_key,
)
from loremotion.refusals import Conflict, InsufficientCredits, TooMany
from loremotion.valkey import connection

logger = logging.getLogger(__name__)

HOLD_LASTS = timedelta(days=2)
OPEN_PER_CONCURRENT = 3
"""Requests that may be open for each one that the plan lets run at once."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked request and its price, before anybody has agreed to it."""

    version: ModelVersion
    request: ClipRequest
    quote: Quote


def offer(ask: Ask, audience: Audience = ANYBODY) -> Offer:
    """What would be rendered and for how many credits. Writes nothing.

    Raises:
        Invalid: the request cannot be served; names the field and what to do.
        NotLicensed, NotInPlan: the model is not for this caller.
    """
    version = choose(ask.model, audience)
    request = resolve(ask, version)
    return Offer(version, request, quote(version, request))


def look_ahead(workspace: Workspace | None, offer: Offer, caller: Caller, *, network: str = "") -> None:
    """Refuse what ``submit`` would refuse, before any work is done for the request. Locks nothing: ``submit`` decides.

    Args:
        workspace: None for a newcomer, who will have the allowance of a day.
        network: as for ``submit``.

    Raises:
        Forbidden, InsufficientCredits, TooMany: as ``submit``.
    """
    available, is_refilled = allowance.daily_credits(None, is_signed_in=caller.user is not None), True
    if workspace is not None:
        is_refilled = allowance.give(workspace, now=timezone.now(), network=network)
        available = ledger.balance(account=workspace.id).available
    if available < offer.quote.credits:
        refusal = NotEnoughCredits(available=available, needed=offer.quote.credits)
        raise _with_next_step(refusal, workspace, is_refilled=is_refilled)
    if workspace is not None:
        caps.refuse_beyond_cap(caller, credits=offer.quote.credits)
        _refuse_a_flood(workspace, most=entitlements(workspace.id).concurrency * OPEN_PER_CONCURRENT)


def submit(
    *,
    workspace: Workspace,
    offer: Offer,
    caller: Caller | None = None,
    repeat: Repeat | None = None,
    is_private: bool | None = None,
    network: str = "",
) -> Generation:
    """Hold the price and queue the request, or do neither.

    Args:
        caller: who asks, for the caps of members and keys; None for a workspace's own visitor.
        repeat: how the request says that it may be sent again. Of two that race, both get what the first one made.
        is_private: whether others of a team do not see it; None leaves that to the team.
        network: a visitor's, which bounds the free credits that come from there.

    Raises:
        Forbidden: the workspace is suspended or being closed or its visitor banned, as of this moment; or the caller
            has spent what they may in this month.
        InsufficientCredits: the purse holds less than the price, or the workspace's own cap for the month less.
        TooMany: the workspace has as many requests open as it may, or the day's GPU time for free clips is used up.
    """
    is_refilled = allowance.give(workspace, now=timezone.now(), network=network)
    request = offer.request
    with transaction.atomic():
        tenancy.keep_standing(workspace, Action.GENERATE, network=caller.network if caller is not None else "")
        generation_id = uuid.uuid4() if repeat is None else repeat.id_in(workspace)
        _hold(workspace, generation_id, offer, is_refilled=is_refilled)  # waits for others who submit for this purse
        if repeat is not None and (made := repeats.with_same_key(workspace, repeat, caller=caller)) is not None:
            return made
        if caller is not None:
            caps.refuse_beyond_cap(caller, credits=offer.quote.credits)
        budgets.keep_within_cap(workspace.id)
        may = entitlements(workspace.id)
        _refuse_a_flood(workspace, most=may.concurrency * OPEN_PER_CONCURRENT)  # the hold has locked the account
        tags = queue.tag(workspace, credits=offer.quote.credits, weight=may.priority_weight)
        generation = Generation.objects.create(
            id=generation_id,
            workspace=workspace,
            made_by=caller.user if caller is not None else None,
            api_key_id=caller.key.line_id if caller is not None and caller.key is not None else None,
            is_private=privacy.of_a_new_clip(workspace, asked=is_private),
            version=offer.version,
            mode=request.mode,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            seed=request.seed,
            width=request.width,
            height=request.height,
            num_frames=request.num_frames,
            fps=request.fps,
            steps=request.steps,
            preset=request.preset,
            call=dict(request.call),
            inputs=dict(request.inputs),
            quote=offer.quote.to_json(),
            ask_digest=repeat.digest if repeat is not None else "",
            watermark=settings.WATERMARK if may.watermark else "",
            needs_bytes=measurements.least_bytes(
                offer.version, width=request.width, height=request.height, num_frames=request.num_frames
            ),
            fair_start=tags.start,
            fair_finish=tags.finish,
        )
        retention.claim_uploads(generation)
        if not may.is_paid:
            breaker.reserve(generation_id, gpu_seconds=_expected_seconds(offer), now=timezone.now())
        # The credits are held by then: an error here must not look like a refusal, or people pay for a second try.
        transaction.on_commit(dispatch.ring, robust=True)
    return generation


def _expected_seconds(offer: Offer) -> float:
    """GPU seconds that such a clip takes, by what clips of the same build took."""
    speed = measurements.speeds([offer.version.build]).get(offer.version.build)
    return estimate.UNKNOWN_SECONDS[1] if speed is None else speed * offer.request.num_frames / offer.request.fps


def _hold(workspace: Workspace, generation_id: uuid.UUID, offer: Offer, *, is_refilled: bool) -> None:
    try:
        ledger.hold(
            account=workspace.id,
            reference=generation_id,
            amount=offer.quote.credits,
            expires_at=timezone.now() + HOLD_LASTS,
            quote=offer.quote.to_json(),
        )
    except ledger.ReferenceReused:  # another request with the same key was quicker
        raise repeats.reused() from None
    except InsufficientCredits as refusal:
        raise _with_next_step(refusal, workspace, is_refilled=is_refilled) from None


def _with_next_step(
    refusal: InsufficientCredits, workspace: Workspace | None, *, is_refilled: bool
) -> InsufficientCredits:
    if not is_refilled:
        refusal.next_step = "Your network has used up its free credits of today: sign in, and you get your own."
    elif workspace is None or not workspace.is_team:
        refills_at = allowance.refills_at(timezone.now())
        refusal.next_step = f"Your free credits refill at {refills_at:%H:%M} UTC; a shorter clip costs less."
    return refusal


def _refuse_a_flood(workspace: Workspace, *, most: int) -> None:
    if Generation.objects.of(workspace).open().count() >= most:
        raise TooMany(
            "too_many_open",
            f"{most} clips of yours are waiting or being made, which is as many as may be at once.",
            next_step="Wait for one of them, or cancel one.",
            retry_after_seconds=30,
        )


def cancel(generation: Generation) -> None:
    """Stop it: at once with everything given back while it waits, at the next step while it runs.

    Raises:
        Conflict: it has ended already.
    """
    now = timezone.now()
    with transaction.atomic():
        waiting = Generation.objects.filter(id=generation.id, state__in=[State.QUEUED, State.DISPATCHED])
        if waiting.update(state=State.CANCELLED, finished_at=now, cancel_asked_at=now):
            ledger.release(reference=generation.id, is_our_failure=False)
            _wind_up(generation.id, State.CANCELLED)
        elif not Generation.objects.filter(id=generation.id, state=State.RUNNING).update(cancel_asked_at=now):
            raise Conflict("already_ended", "This clip has ended already.", next_step="There is nothing to cancel.")
        transaction.on_commit(lambda: tell_worker_to_stop(generation), robust=True)  # housekeeping repeats it


def tell_worker_to_stop(generation: Generation) -> None:
    """Both ways: the key is seen by a worker that is about to begin, the command by one in the middle of it."""
    connection().set(cancel_key(str(generation.id)), "1", ex=CANCEL_TTL_SECONDS)
    if generation.attempt:
        try:
            send_stop_job_command(connection(), generation.job_id, serializer=JSONSerializer)
        except (NoSuchJobError, InvalidJobOperation):
            logger.debug("%s is not being worked on", generation.job_id)


def start(*, generation_id: uuid.UUID, attempt: int, worker: str) -> bool:
    """A worker has begun. Returns whether that was news."""
    begun = Generation.objects.filter(id=generation_id, attempt=attempt, state=State.DISPATCHED)
    is_news = bool(begun.update(state=State.RUNNING, started_at=timezone.now(), worker=worker))
    if is_news:
        dispatch.ring()  # its place in the window is free
    return is_news


def settle(report: RenderReport) -> bool:
    """End a generation as its worker reports it, and its hold with it. Returns whether this report decided it.

    A success counts from any attempt, since the clip is there. Anything else counts from the present attempt only.
    """
    generation = (
        Generation.objects.select_related("version__model", "workspace").filter(id=report.generation_id).first()
    )
    if generation is None or generation.deleted_at is not None:
        logger.warning(
            "A report came for %s, which is erased or deleted; so are now the files that came with it",
            report.generation_id,
        )
        files.delete_outputs(report.generation_id)
        return False
    if report.outcome == Outcome.SUCCEEDED and (report.clip is None or not files.has_clip(generation)):
        return requeue(
            generation_id=generation.id, attempt=report.attempt, code="clip_missing", reason="The clip did not arrive."
        )
    if report.error is not None and (
        report.error.is_retryable or _waits_for_a_larger_machine(generation, report.error)
    ):
        return requeue(
            generation_id=generation.id, attempt=report.attempt, code=report.error.code, reason=report.error.message
        )
    with transaction.atomic():
        if not _end(generation, report):
            return False
        if report.outcome == Outcome.SUCCEEDED and report.clip is not None:
            Clip.objects.create(
                generation=generation,
                key=files.key(generation, files.CLIP),
                poster_key=files.key(generation, files.POSTER),
                expires_at=retention.keep_until(generation.workspace, timezone.now()),
                **Clip.facts_from(report.clip),
            )
            ledger.capture(reference=generation.id)
            _measure(generation, report)
        elif report.outcome == Outcome.CANCELLED:
            ledger.capture(reference=generation.id, amount=share_for_steps(generation, report))
        else:
            ledger.release(reference=generation.id)
        breaker.count(generation.id, gpu_seconds=sum(report.stage_seconds.values()), now=timezone.now())
        _wind_up(generation.id, State(report.outcome.value))
        if report.attempt != generation.attempt:  # a worker given up for lost has delivered: its successor may stop
            transaction.on_commit(lambda: tell_worker_to_stop(generation), robust=True)
    return True


def _waits_for_a_larger_machine(generation: Generation, error: RenderError) -> bool:
    """The machine that it was meant for is gone meanwhile, and those that are left have refused it."""
    return error.code == DOES_NOT_FIT and (generation.needs_bytes or 0) > fleet.budgets()[-1]


def _measure(generation: Generation, report: RenderReport) -> None:
    """Let the catalogue know what the clip took: speed, memory and margin of a model come from here."""
    measurements.record(
        generation.version,
        mode=generation.mode,
        preset=generation.preset,
        width=generation.width,
        height=generation.height,
        gpu_seconds=sum(report.stage_seconds.values()),
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
        "stage_seconds": report.stage_seconds,
        "peak_bytes": report.peak_bytes,
        "worker": report.worker,
    }
    if report.error is not None:
        changes |= {"error_code": report.error.code[:40], "error_message": _storable(report.error.message)}
    return bool(still_open.update(**changes))


def _storable(message: str) -> str:
    """A worker's words, as far as the column takes them: a report that cannot be stored would never be settled."""
    return message.replace("\x00", "")[:500]


def share_for_steps(generation: Generation, report: RenderReport) -> int:
    """What a cancelled clip costs: its price in proportion to the steps already run, rounded down.

    The total is the worker's own: a long clip runs the preset's steps once for each of its parts.
    """
    total = max(report.steps_total, generation.steps)
    return generation.credits_quoted * min(report.steps_done, total) // total


def requeue(*, generation_id: uuid.UUID, attempt: int, code: str, reason: str) -> bool:
    """An attempt came to nothing through no fault of the request: try again, or give up and give the credits back.

    The request keeps its tags and therefore its place. Returns whether this call decided it.
    """
    with transaction.atomic():
        lost = Generation.objects.filter(id=generation_id, attempt=attempt, state__in=[State.DISPATCHED, State.RUNNING])
        if lost.filter(cancel_asked_at__isnull=False).update(state=State.CANCELLED, finished_at=timezone.now()):
            ledger.release(reference=generation_id)
            _wind_up(generation_id, State.CANCELLED)
        elif attempt >= settings.MAX_ATTEMPTS:
            message = _storable(f"{reason[:400]} It was tried {attempt} times.")
            ended = lost.update(
                state=State.FAILED, finished_at=timezone.now(), error_code=code[:40], error_message=message
            )
            if not ended:
                return False
            ledger.release(reference=generation_id)
            _wind_up(generation_id, State.FAILED)
        elif lost.update(state=State.QUEUED, worker="", steps_done=0, started_at=None, dispatched_at=None):
            transaction.on_commit(lambda: _announce_retry(generation_id, attempt, reason))
            transaction.on_commit(dispatch.ring)
        else:
            return False
    return True


def _announce_retry(generation_id: uuid.UUID, attempt: int, reason: str) -> None:
    again = f"{reason} Trying again ({attempt + 1} of {settings.MAX_ATTEMPTS})."
    progress.publish(generation_id, Progress(kind="stage", stage="queued", message=again))


def _wind_up(generation_id: uuid.UUID, state: State) -> None:
    """In the transaction that ended it: GPU time that was set aside and not used, the outbox's rows, and the end of
    what was sent for a clip that did not come to be; after the commit, whoever watches."""
    breaker.let_go(generation_id)
    video_events.record_end(generation_id, state)
    if state != State.SUCCEEDED:
        retention.let_uploads_go(generation_id)
    wishes.grant(generation_id, state)
    transaction.on_commit(lambda: _announce_end(generation_id))


def _announce_end(generation_id: uuid.UUID) -> None:
    state = Generation.objects.values_list("state", flat=True).filter(id=generation_id).first()
    if state is not None:  # else it was erased together with its workspace
        progress.publish(generation_id, Progress(kind="done", stage=state))
    dispatch.ring()
