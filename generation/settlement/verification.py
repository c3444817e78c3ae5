"""Whether a report is believed: by whom it is, and whether what it says can be.

A GPU host may be rented from anybody, and all of them write into one queue. So a report counts only with the secret of
its attempt, and only if every figure in it is one that an attempt could have. What is refused changes nothing: the
attempt goes on, or housekeeping hands it to another worker.
"""

from __future__ import annotations

import math
import re
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from uuid import UUID

from generation.attempt_secret import is_secret_of
from generation.models import Generation
from generation.scheduling import capacity
from generation.storage import files
from gpu_worker import log_context
from gpu_worker.contract import LATE_SECONDS, ClipFacts, RenderReport
from gpu_worker.media.invisible_id import id_of

_MOST_STEPS = 1_000_000
_MOST_BYTES = 2**50
_MOST_PIXELS_ASIDE = 2**16
_MOST_FRAMES = 1_000_000
_MOST_FPS = 1_000.0
_MOST_STAGES = 32
_STAGE = re.compile(r"[a-z_]{0,40}")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_REMARK = re.compile(r"[a-z_]{0,10}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COSINE_SLACK = 0.01
"""What rounding adds to a cosine of one."""


class NotBelieved(ValueError):
    """A report that changes nothing. The message says why, and repeats nothing that the report says."""


def verify_sender(generation_id: str, attempt: int, secret: str, worker: str) -> Generation | None:
    """Return the generation of which the sender was given an attempt; None where it was erased meanwhile.

    Attempts of the last release had no secret. As long as such a one is the present attempt, it is believed without:
    its row says so, which nobody who merely writes to Valkey can change. The next release drops this.

    Raises:
        NotBelieved: the sender was not given this attempt, or no worker is called ``worker``.
    """
    if not (isinstance(generation_id, str) and type(attempt) is int and isinstance(secret, str)):
        raise NotBelieved("it does not name an attempt")
    try:
        is_canonical = str(UUID(generation_id)) == generation_id
    except ValueError:
        is_canonical = False
    if not is_canonical or attempt < 1:
        raise NotBelieved("it does not name an attempt")
    with log_context.bound(generation_id=generation_id):
        generation = Generation.objects.select_related("version").filter(id=generation_id).first()
        with _bound_to(generation):
            _verify_attempt(generation, generation_id, attempt, secret)
            verify_worker_name(worker)
    return generation


def _verify_attempt(generation: Generation | None, generation_id: str, attempt: int, secret: str) -> None:
    if generation is not None and attempt > generation.attempt:
        raise NotBelieved(f"attempt {attempt} has not begun, {generation.attempt} is the present one")
    if secret:
        if not is_secret_of(secret, generation_id, attempt):
            raise NotBelieved("its secret is not that of the attempt")
    elif generation is None or generation.has_attempt_secret or attempt != generation.attempt:
        raise NotBelieved("it has no secret; a GPU worker of the last release has to be brought up to date")


def _bound_to(generation: Generation | None) -> AbstractContextManager[None]:
    """Name the request and the clip on every line of the block, and on that of what is refused in it."""
    return log_context.bound(**(generation.log_ids if generation is not None else {}))


def verify_worker_name(name: str) -> None:
    """
    Raises:
        NotBelieved: no worker is called that.
    """
    if not isinstance(name, str) or not name.isprintable() or len(name) > _worker_name_length():
        raise NotBelieved("its worker has an odd name")


def read_report(message: Any) -> RenderReport:
    """Return the report inside a message, once it is believed.

    Raises:
        KeyError, TypeError, ValueError: it cannot be read, or is not believed (``NotBelieved``).
    """
    with log_context.bound(generation_id=_named(message)):
        report = RenderReport.from_wire(message)
    generation = verify_sender(report.generation_id, report.attempt, report.secret, report.worker)
    if generation is not None:
        with _bound_to(generation):
            _verify_figures(report, generation)
    # As the row has it: a request that a host makes up would be on our lines, and on those of what follows.
    return replace(report, request_id=generation.request_id if generation is not None else "")


def _named(message: Any) -> str:
    """Return the generation that a message speaks of, which need not be one; empty where it names none."""
    said = message.get("generation_id") if isinstance(message, dict) else None
    return log_context.clean_id(said) if isinstance(said, str) else ""


def _verify_figures(report: RenderReport, generation: Generation) -> None:
    most_seconds = generation.version.timeout_seconds + LATE_SECONDS
    stages = report.stage_seconds
    if len(stages) > _MOST_STAGES or not all(_STAGE.fullmatch(stage) for stage in stages):
        raise NotBelieved("its stages have odd names")
    _verify("seconds", min(stages.values(), default=0.0), least=0.0, most=most_seconds)
    _verify("seconds", sum(stages.values()), least=0.0, most=most_seconds)
    _verify("steps", report.steps_done, least=0, most=_MOST_STEPS)
    _verify("steps", report.steps_total, least=0, most=_MOST_STEPS)
    _verify("steps", report.resumed_from_step, least=0, most=report.steps_done)
    _verify("cards", report.cards, least=1, most=capacity.MOST_CARDS)
    _verify("bytes", report.peak_bytes, least=0, most=_MOST_BYTES)
    if report.similarity is not None:
        _verify("similarity", report.similarity, least=-1 - _COSINE_SLACK, most=1 + _COSINE_SLACK)
    if report.picture_score is not None:
        _verify("score of pictures", report.picture_score, least=0.0, most=1.0)
    if report.error is not None and not _ERROR_CODE.fullmatch(report.error.code):
        raise NotBelieved("its error has no code that a worker knows")
    if report.clip is not None:
        _verify_clip(report.clip, generation)


def _verify_clip(clip: ClipFacts, generation: Generation) -> None:
    _verify("width", clip.width, least=1, most=_MOST_PIXELS_ASIDE)
    _verify("height", clip.height, least=1, most=_MOST_PIXELS_ASIDE)
    _verify("frames", clip.num_frames, least=1, most=_MOST_FRAMES)
    _verify("fps", clip.fps, least=0.01, most=_MOST_FPS)
    _verify("duration", clip.duration_seconds, least=0.0, most=_MOST_FRAMES)
    _verify("size", clip.size_bytes, least=1, most=files.most_bytes(generation, files.CLIP))
    if clip.invisible_id not in (None, id_of(str(generation.id))):
        raise NotBelieved("its pictures carry the id of another clip")
    if not _SHA256.fullmatch(clip.sha256):
        raise NotBelieved("its digest is none")
    if not _REMARK.fullmatch(clip.remark):
        raise NotBelieved("its remark is none")
    if clip.perceptual_hash and not _SHA256.fullmatch(clip.perceptual_hash):
        raise NotBelieved("its perceptual hash is none")


def _verify(what: str, figure: float, *, least: float, most: float) -> None:
    if not (math.isfinite(figure) and least <= figure <= most):
        raise NotBelieved(f"its {what} are none that an attempt could have")


def _worker_name_length() -> int:
    return Generation._meta.get_field("worker").max_length or 0
