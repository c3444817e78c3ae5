"""A generation as it is shown: its stages in words, its receipt, and OpenAI's Video object with ours under ``lm``."""

from __future__ import annotations

import logging
import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts.caller import Caller
from billing import statements
from billing.statements import Receipt
from catalog.offers import Offer
from generation.api import draft_facts
from generation.live import progress
from generation.models import Generation, State
from generation.scheduling.wait import Wait, wait_of
from generation.storage import files
from gpu_worker.contract import Progress, Stage

logger = logging.getLogger(__name__)

OPENAI_STATUS = {
    State.QUEUED: "queued",
    State.DISPATCHED: "queued",
    State.RUNNING: "in_progress",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",
    State.BLOCKED: "failed",
}


STAGES = {
    "queued": gettext_noop("Queued"),
    Stage.LOADING: gettext_noop("Loading"),
    Stage.ENCODING_PROMPT: gettext_noop("Reading the prompt"),
    Stage.DENOISING: gettext_noop("Denoising"),
    Stage.DECODING: gettext_noop("Decoding"),
    Stage.ENCODING_VIDEO: gettext_noop("Encoding"),
    Stage.UPLOADING: gettext_noop("Saving"),
}


def videos(generations: list[Generation]) -> list[dict[str, Any]]:
    """Many Video objects in a constant number of queries: without place, estimate and picture."""
    ended = [generation.id for generation in generations if not generation.is_open]
    receipts = statements.receipts(references=ended) if ended else {}
    seen = progress.latest_of([generation.id for generation in generations if generation.state == State.RUNNING])
    return [
        _video(generation, seen=seen.get(generation.id), ours=_ours(generation, receipts.get(generation.id)))
        for generation in generations
    ]


def video(generation: Generation, caller: Caller | None = None) -> dict[str, Any]:
    """One Video object, with all that is known of how it stands, and for ``caller`` of the draft that it is."""
    ours = _ours(generation, None if generation.is_open else statements.receipt(reference=generation.id))
    seen = progress.latest(generation.id) if generation.state == State.RUNNING else None
    if seen is not None:
        ours |= {"stage": seen.stage, "step": seen.step, "steps": seen.steps_total, "preview": seen.preview}
    if generation.is_open:
        ours["queue"] = wait_of(generation).to_json()
    if caller is not None:
        ours["draft"] = draft_facts.told_of(generation, caller)
    return _video(generation, seen=seen, ours=ours)


def as_it_stands(generation_id: UUID, caller: Caller | None) -> dict[str, Any]:
    """The Video object of a clip that ``caller`` was let in to before; or that it is deleted by now."""
    found = Generation.objects.for_display().filter(id=generation_id, deleted_at=None).first()
    return (
        {"id": str(generation_id), "object": "video.deleted", "deleted": True}
        if found is None
        else video(found, caller)
    )


def page(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A list of Video objects as OpenAI has it."""
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, "has_more": has_more, **ends}


def quote(offer: Offer, wait: Wait, *, times: int = 1) -> dict[str, Any]:
    """The Quote object: the price of a clip that nobody has asked for yet, and its wait.

    Args:
        times: how many of them are priced. The wait is the first one's.
    """
    request, version = offer.request, offer.version
    now, credits = time.time(), times * offer.quote.credits
    price = f"{credits} credit{'' if credits == 1 else 's'}{f' for {times} clips' if times > 1 else ''}."
    return {
        "object": "quote",
        "model": version.model.slug,
        "mode": request.mode,
        "preset": request.preset,
        "seconds": f"{round(request.seconds, 3):g}",
        "size": f"{request.width * version.upscale}x{request.height * version.upscale}",
        "n": times,
        "credits": credits,
        "ready_at": None if wait.expected is None else [round(now + end) for end in wait.expected.ready.ends],
        "in_words": f"{price} {wait.in_words}".strip(),
        "queue": wait.to_json(),
    }


def just_taken(generation: Generation) -> dict[str, Any]:
    """The Video object of a request whose credits are held by now, with all that can be found out about it.

    Whatever else breaks, the answer says what was taken: an error would be read as a refusal, and be paid for twice.
    """
    try:
        return video(generation)
    except Exception:
        logger.exception("Generation %s is taken, and nothing more can be said of it", generation.id)
        return _video(generation, seen=None, ours=_ours(generation, None))


def all_taken(generations: list[Generation]) -> list[dict[str, Any]]:
    """The same of several, as a list shows them: without queue and preview."""
    try:
        return videos(generations)
    except Exception:
        logger.exception("%d clips are taken, and nothing more can be said of them", len(generations))
        return [_video(one, seen=None, ours=_ours(one, None)) for one in generations]


def _video(generation: Generation, *, seen: Progress | None, ours: dict[str, Any]) -> dict[str, Any]:
    is_made = generation.state == State.SUCCEEDED
    return {
        "id": str(generation.id),
        "object": "video",
        "model": generation.version.model.slug,
        "status": OPENAI_STATUS[State(generation.state)],
        "progress": _percent(generation, seen),
        "created_at": int(generation.created_at.timestamp()),
        "completed_at": int(generation.finished_at.timestamp()) if generation.finished_at else None,
        "expires_at": int(generation.clip.expires_at.timestamp()) if is_made and has_clip(generation) else None,
        "prompt": generation.prompt,
        "seconds": f"{round(generation.total_seconds, 3):g}",
        "size": f"{generation.delivered_width}x{generation.delivered_height}",
        "remixed_from_video_id": files.generation_of(generation.inputs.get("video", "")),
        "error": _error(generation),
        "lm": ours,
    }


def _percent(generation: Generation, seen: Progress | None) -> int:
    if generation.state == State.SUCCEEDED:
        return 100
    return 0 if seen is None else seen.percent


def _error(generation: Generation) -> dict[str, str] | None:
    if generation.is_open or generation.state == State.SUCCEEDED:
        return None
    return {
        "code": generation.error_code or generation.state,
        "message": generation.error_message or f"The clip was {generation.state}.",
    }


def _ours(generation: Generation, receipt: Receipt | None) -> dict[str, Any]:
    """``receipt``: None while it is open: what was quoted is held then, and the database need not be asked."""
    return {
        "state": generation.state,
        "attempt": generation.attempt,
        "resumed_from_step": generation.resumed_from_step,
        "times_aside": generation.times_aside,
        "mode": generation.mode,
        "preset": generation.preset,
        "seed": generation.seed,
        "private": generation.is_private,
        "user_ref": generation.user_ref or None,
        "cancel_at": int(generation.cancel_at.timestamp()) if generation.cancel_at is not None else None,
        "model_version": generation.version.number,
        "num_frames": generation.num_frames,
        "rendered_size": f"{generation.width}x{generation.height}",
        "fps": generation.fps,
        "watermark": generation.watermark or None,
        "cost": _held(generation) if receipt is None else cost(generation, receipt),
        "page_url": settings.SITE_URL + reverse("generation:detail", args=[generation.id]),
    }


def has_clip(generation: Generation) -> bool:
    """Whether it was made and is still kept."""
    return hasattr(generation, "clip")


def _held(generation: Generation) -> dict[str, int]:
    quoted = generation.credits_quoted
    return {"quoted": quoted, "held": quoted, "charged": 0, "given_back": 0}


def cost(generation: Generation, receipt: Receipt | None = None) -> dict[str, int]:
    """What was quoted and held, and in the end charged and given back. ``receipt`` spares lists a look each."""
    receipt = receipt or statements.receipt(reference=generation.id)
    return {
        "quoted": generation.credits_quoted,
        "held": receipt.held,
        "charged": receipt.captured,
        "given_back": receipt.released,
    }
