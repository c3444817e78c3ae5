"""What follows an attempt that failed: another one, or the end of the generation with its credits given back."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from billing import free_gpu_budget, ledger
from catalog.pricing import is_free_reroll
from catalog.requests import random_seed
from generation.live import progress
from generation.models import Generation, State
from generation.scheduling import aside, dispatch, storage_pause
from generation.settlement import endings, error_words
from gpu_worker.contract import Progress
from gpu_worker.error_codes import CLIP_BROKEN, HANDED_BACK, STEPPED_ASIDE, STORAGE_ERRORS

EXCUSED_HAND_BACKS = 20
"""Attempts that end because their worker leaves in good order, or lets a short clip go first, count for nothing, up to
so many."""


class Kept(NamedTuple):
    """What a render that stepped aside goes on from."""

    worker: str
    step: int


def requeue(
    *,
    generation_id: uuid.UUID,
    attempt: int,
    code: str,
    reason: str,
    gpu_seconds: float = 0.0,
    kept: Kept | None = None,
) -> bool:
    """Try again after an attempt that failed through no fault of the request, or give up and give the credits back.

    The request keeps its tags and therefore its place. Returns whether this call decided it.

    Args:
        gpu_seconds: what the attempt took, by its report or, without one, by its signs of life.
        kept: of one that stepped aside.
    """
    reason = error_words.storable(reason)
    with transaction.atomic():
        lost = Generation.objects.filter(id=generation_id, attempt=attempt, state__in=[State.DISPATCHED, State.RUNNING])
        if lost.filter(cancel_asked_at__isnull=False).update(state=State.CANCELLED, finished_at=timezone.now()):
            _give_up(generation_id, State.CANCELLED, gpu_seconds)
        elif (before := lost.only("excused_attempts", "first_seed").first()) is None:
            return False
        elif _is_last(before, attempt, code):
            tried = error_words.TRIED_ONCE if attempt == 1 else error_words.TRIED % {"count": attempt}
            message = error_words.storable(f"{error_words.sentence(reason[:400])} {tried}")
            ended = lost.update(state=State.FAILED, finished_at=timezone.now(), error_code=code, error_message=message)
            if not ended:
                return False
            _give_up(generation_id, State.FAILED, gpu_seconds)
        elif lost.update(
            state=State.QUEUED,
            worker="",
            cards=1,
            steps_done=0,
            started_at=None,
            dispatched_at=None,
            excused_attempts=(excused := before.excused_attempts + _is_excused(before, code)),
            **_other_seed(code),
            **_where_it_goes_on(kept),
        ):
            free_gpu_budget.count_attempt(generation_id, gpu_seconds=gpu_seconds, now=timezone.now())
            next_try = attempt + 1 - excused
            if kept is not None:
                transaction.on_commit(lambda: _announce_aside(generation_id, kept))
            else:
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


def _where_it_goes_on(kept: Kept | None) -> dict[str, Any]:
    """Return the changes that tell where the clip goes on: with that worker alone, while it takes jobs."""
    if kept is None:
        return {"kept_by": "", "resumed_from_step": 0}
    return {"times_aside": F("times_aside") + 1, "kept_by": kept.worker[:120], "resumed_from_step": kept.step}


def _most_excused(code: str) -> int:
    """Return how many attempts may not count against a clip: it could not be stored, or its worker left."""
    if code in (HANDED_BACK, STEPPED_ASIDE):
        return EXCUSED_HAND_BACKS
    return storage_pause.EXCUSED_ATTEMPTS if code in STORAGE_ERRORS and storage_pause.is_in_force() else 0


def _give_up(generation_id: uuid.UUID, state: State, gpu_seconds: float) -> None:
    """Settle a clip that has just ended. Whoever cancelled it gave up those that wait for it, too."""
    endings.lock_sequels(generation_id)
    quote = Generation.objects.values_list("quote", flat=True).get(id=generation_id)
    ledger.release(reference=generation_id, is_our_failure=not is_free_reroll(quote))
    free_gpu_budget.count(generation_id, gpu_seconds=gpu_seconds, now=timezone.now())
    endings.wind_up(generation_id, state, is_our_failure=state == State.FAILED)


def _announce_aside(generation_id: uuid.UUID, kept: Kept) -> None:
    progress.publish(
        generation_id, Progress(kind="stage", stage="queued", message=aside.SENTENCE % {"step": kept.step})
    )


def _announce_retry(generation_id: uuid.UUID, next_try: int, reason: str) -> None:
    counted = {"number": next_try, "most": settings.MAX_ATTEMPTS}
    is_counted = 1 < next_try <= settings.MAX_ATTEMPTS
    words = error_words.AGAIN_COUNTED % counted if is_counted else error_words.AGAIN
    again = f"{error_words.sentence(reason)} {words}"
    progress.publish(generation_id, Progress(kind="stage", stage="queued", message=again))
