"""How a request becomes a generation: its row and the credits held for it, in one transaction or not at all."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from billing import allowance, free_gpu_budget, ledger
from billing.plans import Entitlements, entitlements
from catalog import measurements
from catalog.models import Model
from catalog.offers import Offer
from catalog.requests import ClipRequest
from generation.models import AWAITS_ANOTHER, Generation
from generation.moderation import gate
from generation.provider_keys import use
from generation.scheduling import dispatch, fair_queue
from generation.storage import retention
from generation.storyboards.models import Sequel
from generation.submission import checks, idempotency, privacy, remote_ceilings
from generation.submission.checks import Candidate
from generation.submission.idempotency import Repeat
from gpu_worker import log_context
from gpu_worker.contract import REMOTE_BYTES
from loremotion import prepared
from loremotion.refusals import InsufficientCredits
from loremotion.table_rows import Columns

logger = logging.getLogger(__name__)

HOLD_LASTS = timedelta(days=2)
_UNKNOWN_SECONDS: Final = 60.0
"""On a GPU, of a clip of a build that nobody has made one of."""
_GENERATIONS: Final = Columns(Generation, "generation")
_REQUESTED: Final = tuple(field.name for field in fields(ClipRequest))
"""Columns of the row, by the same names."""


def look_ahead(
    workspace: Workspace | None,
    offer: Offer,
    caller: Caller,
    *,
    network: str = "",
    may: Entitlements | None = None,
    file_names: Sequence[str] = (),
) -> None:
    """Refuse what ``submit`` would refuse, before any work is done for the request. Locks nothing: ``submit`` decides.

    Args:
        workspace: None for a newcomer.
        network, may: as for ``submit``.
        file_names: of what was uploaded, as its sender calls it. Nothing of that is kept.

    Raises:
        FileNameRefused: what a file is called may not be made into a clip.
        Forbidden, InsufficientCredits, PromptRefused, TooMany, Unavailable: as ``submit``.
    """
    _refuse_words(workspace, offer, file_names)
    is_refilled = workspace is None or allowance.give(workspace, now=timezone.now(), network=network)
    may = may or entitlements(workspace.id if workspace is not None else None)
    checks.refuse(Candidate(workspace, caller, _cost(offer), may, is_refilled))


def submit(
    *,
    workspace: Workspace,
    offer: Offer,
    caller: Caller | None = None,
    repeat: Repeat | None = None,
    is_private: bool | None = None,
    network: str = "",
    continued_seconds: float = 0.0,
    user_ref: str = "",
    cancel_after: timedelta | None = None,
    may: Entitlements | None = None,
    after: Generation | None = None,
) -> Generation:
    """Hold the price and queue the request, or do neither.

    Args:
        caller: who asks, for the caps of members and keys; None for a workspace's own visitor.
        repeat: how the request says that it may be sent again. Of two that race, both get what the first one made.
        is_private: whether others of a team do not see it; None leaves that to the team.
        network: where it is asked for, which bounds the free credits of visitors from there; its free clips share one
            line in the queue.
        continued_seconds: of the clip or video that this one goes on from.
        user_ref: what the caller's own program calls it.
        cancel_after: when from now it is cancelled, unless it has ended by then; None for never.
        may: what the workspace is entitled to, where it was asked a moment ago.
        after: an open clip with whose last picture this one begins: until that is made, it waits.

    Raises:
        PromptRefused: the words may not be made into a clip.
        Forbidden: the workspace is suspended or being closed, its visitor banned or the caller's role changed, as of
            this moment; or the caller has spent what they may in this month.
        Unauthorized: the caller's key is revoked by now.
        InsufficientCredits: the account holds less than the price, or the workspace's own cap for the month less.
        TooMany: the workspace has as many requests open as it may, or the day's GPU time for free clips is used up.
        Conflict: the workspace's own key, for which the price is, was changed meanwhile.
        Unavailable: the guard model does not answer, and without its answer nothing is taken.
    """
    _refuse_words(workspace, offer)
    is_refilled = allowance.give(workspace, now=timezone.now(), network=network)
    may = may or entitlements(workspace.id)
    request = offer.request
    with transaction.atomic():
        lock = _lock_at_once(workspace, caller, repeat)  # waits for others who submit for it
        generation_id = uuid.uuid4() if repeat is None else repeat.id_in(workspace)
        if repeat is not None and (made := idempotency.with_same_key(workspace, repeat, caller=caller)) is not None:
            return made
        candidate = Candidate(workspace, caller, _cost(offer), may, is_refilled)
        with _hold_refused(candidate), ledger.own_errors():
            with prepared.send_ahead():  # any may raise what the hold met, as they leave or when they are read
                recheck = lock()
                held = _send_hold(workspace, generation_id, offer)
                network = "" if may.is_paid else network
                most_open = may.open_clips
                joined = fair_queue.send_join(workspace, is_paid=may.is_paid, most_open=most_open, network=network)
                least_bytes = offer.send_least_bytes()
            recheck()
            held()
            line, needs_bytes = joined(), least_bytes()
        checks.refuse(replace(candidate, line=line))
        if offer.own_key is not None:
            use.verify(workspace, offer.own_key)
        elif needs_bytes == REMOTE_BYTES:
            remote_ceilings.refuse_beyond(workspace, offer.version, credits=offer.quote.credits)
        credits, weight = offer.quote.credits, may.priority_weight
        generation = Generation(
            id=generation_id,
            workspace=workspace,
            made_by=caller.user if caller is not None else None,
            api_key_id=caller.key.line_id if caller is not None and caller.key is not None else None,
            is_private=privacy.of_a_new_clip(workspace, asked=is_private),
            version=offer.version,
            **{name: getattr(request, name) for name in _REQUESTED},
            quote=offer.quote.to_json(),
            continued_seconds=continued_seconds,
            user_ref=user_ref,
            cancel_at=timezone.now() + cancel_after if cancel_after is not None else None,
            ask_digest=repeat.digest if repeat is not None else "",
            watermark=settings.WATERMARK if may.watermark else "",
            needs_bytes=needs_bytes if after is None else AWAITS_ANOTHER,
            fair_finish=line.finish_tag(credits=credits, weight=weight),
            network_finish=line.network_tag(credits=credits, weight=weight) if network else None,
            fair_weight=weight,
            flow=line.flow,
            network=network,
            request_id=log_context.current(log_context.REQUEST_ID),
        )
        _GENERATIONS.insert(generation)
        if offer.own_key is not None:
            use.note(generation, offer.own_key)
        if after is not None:
            Sequel.objects.create(generation=generation, after=after, needs_bytes=needs_bytes)
        retention.claim_uploads(generation)
        if not may.is_paid:
            free_gpu_budget.reserve(generation_id, gpu_seconds=_expected_seconds(offer), now=timezone.now())
        # The credits are held by then: an error here must not look like a refusal, or people pay for a second try.
        transaction.on_commit(lambda: _say_queued(generation), robust=True)
        transaction.on_commit(dispatch.fill_window, robust=True)
    return generation


def _cost(offer: Offer) -> dict[Model, int]:
    return {offer.version.model: offer.quote.credits}


def _lock_at_once(
    workspace: Workspace, caller: Caller | None, repeat: Repeat | None
) -> Callable[[], Callable[[], None]]:
    """Lock the workspace, as ``tenancy.lock_and_recheck``, unless that can travel with what comes after it: what is
    returned sends it then, and returns what reads its answer. An ``Idempotency-Key`` is looked up under the lock."""
    if caller is not None and caller.key is not None and (repeat is None or not repeat.key):
        return lambda: tenancy.send_lock_and_recheck(workspace, Action.GENERATE, caller=caller)
    tenancy.lock_and_recheck(workspace, Action.GENERATE, caller=caller)
    return lambda: lambda: None


def _refuse_words(workspace: Workspace | None, offer: Offer, file_names: Sequence[str] = ()) -> None:
    request = offer.request
    gate.refuse(workspace, prompt=request.prompt, negative_prompt=request.negative_prompt, file_names=file_names)


def _say_queued(generation: Generation) -> None:
    with log_context.bound(generation_id=str(generation.id)):
        logger.info("Queued for %d credits", generation.credits_quoted)


def _expected_seconds(offer: Offer) -> float:
    """GPU seconds that such a clip takes, by what clips of the same build took."""
    speed = measurements.speeds([offer.version.build]).get(offer.version.build)
    return _UNKNOWN_SECONDS if speed is None else speed * offer.request.num_frames / offer.request.fps


def _send_hold(workspace: Workspace, generation_id: uuid.UUID, offer: Offer) -> Callable[[], ledger.Held]:
    return ledger.send_hold(
        account=workspace.id,
        reference=generation_id,
        amount=offer.quote.credits,
        expires_at=timezone.now() + HOLD_LASTS,
        quote=offer.quote.to_json(),
    )


@contextmanager
def _hold_refused(candidate: Candidate) -> Iterator[None]:
    try:
        yield
    except ledger.ReferenceReused:  # the key stood for a request of which only the receipt is left
        raise idempotency.reused_key() from None
    except InsufficientCredits as refusal:  # credits were taken back since they were looked at
        raise checks.with_next_step(refusal, candidate) from None
