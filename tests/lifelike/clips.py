"""Clips of a month: made, failed, and waiting."""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone
from PIL import Image, ImageDraw

from catalog.offers import make_offer
from catalog.requests import Ask
from generation import reports, spending
from generation.models import Generation
from generation.scheduling import dispatch
from generation.sharing.models import Share
from generation.storage import files
from generation.submission.submit import submit
from gpu_worker.contract import Outcome, RenderError
from gpu_worker.valkey_names import RENDER_QUEUE, job_id
from loremotion import queues
from loremotion.refusals import Refusal
from tests.generation import factories
from tests.lifelike import GB, PROMPTS, WORKERS, chance
from tests.media_files import write_video

MODELS: Final = ("preview", "ltx-video-2b", "wan-2.1-1.3b", "wan-2.2-5b")
CLIPS: Final = 120
WAITING: Final = 24


def make_clip(workspace: Any, number: int) -> None:
    """Ask for a clip, dispatch it and end it; one of nine fails."""
    generation = _submit(workspace, number)
    dispatch.fill_window()
    Generation.objects.filter(id=generation.id, state="queued").update(state="dispatched", attempt=1)
    generation.refresh_from_db()
    worker = WORKERS[number % len(WORKERS)][0]
    if number % 9 == 4:
        error = chance.choice([("out_of_memory", "It needs 31.0 GB and the card has 24.0 GB."), ("timeout", "")])
        said: dict[str, Any] = {"error": RenderError(code=error[0], message=error[1] or "It took too long.")}
        report = factories.report(generation, Outcome.FAILED, worker=worker, **said)
    else:
        film = _film()
        factories.deliver_clip(generation)
        _keep(generation, "clip", film)
        stages = {"loading": 1.5, "encoding_prompt": 0.4, "denoising": 4.0 + number % 17, "decoding": 0.9}
        facts = replace(factories.clip_facts(generation), size_bytes=len(film), sha256=hashlib.sha256(film).hexdigest())
        report = factories.report(generation, clip=facts, worker=worker, stage_seconds=stages, peak_bytes=11 * GB)
    reports.finished(report.to_wire())
    queues.queue(RENDER_QUEUE).remove(job_id(str(generation.id), generation.attempt))
    _paint(generation, number)


def _submit(workspace: Any, number: int) -> Generation:
    model, prompt = MODELS[(number * 7 + number // 5) % len(MODELS)], PROMPTS[number % len(PROMPTS)]
    try:
        return submit(workspace=workspace, offer=make_offer(Ask(prompt=prompt, model=model)))
    except Refusal:  # a plan that does not include this model
        return submit(workspace=workspace, offer=make_offer(Ask(prompt=prompt, model=MODELS[0])))


def _paint(generation: Any, number: int) -> None:
    """Draw a picture for the list, instead of what passes for one in tests."""
    if number % 9 == 4:
        return
    sky, sun = (chance.randrange(40, 160), 90, 150 + number % 90), (240, 170 + number % 60, 60)
    picture = Image.new("RGB", (320, 200), sky)
    x = 30 + (number * 37) % 220
    ImageDraw.Draw(picture).ellipse((x, 60, x + 70, 130), fill=sun)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=70)
    _keep(generation, "poster", written.getvalue())


@cache
def _film() -> bytes:
    """Return two seconds of video that a browser plays."""
    with tempfile.TemporaryDirectory() as folder:
        return write_video(Path(folder) / "clip.mp4", codec="libx264", size=(320, 200), frames=16).read_bytes()


def _keep(generation: Any, role: str, content: bytes) -> None:
    key = files.key(generation, role)
    default_storage.delete(key)
    default_storage.save(key, ContentFile(content))


def move_into_the_past(clips: list[Any]) -> None:
    """Spread clips over a month, a third of them over its last day; their holds go along, past the ledger's guards."""
    now = timezone.now()
    for number, clip in enumerate(clips):
        ago = timedelta(minutes=6 + 30 * number) if number < CLIPS // 3 else timedelta(hours=chance.uniform(24, 700))
        came = now - ago
        started = came + timedelta(seconds=chance.choice([2, 4, 7, 15, 40, 90]))
        ended = started + timedelta(seconds=sum(clip.stage_seconds.values()) or 9.0)
        Generation.objects.filter(id=clip.id).update(
            created_at=came, dispatched_at=came + timedelta(seconds=1), started_at=started, finished_at=ended
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("UPDATE ledger_hold SET held_at = %s, settled_at = %s WHERE id = %s", [came, ended, clip.id])
    for account in {clip.workspace_id for clip in clips}:
        spending.recount(account)


def ask(workspace: Any, number: int) -> None:
    """Ask for a clip that waits; some need more memory than any worker that takes clips has."""
    came = timezone.now() - timedelta(minutes=2 * (WAITING - number))
    with transaction.atomic():  # dispatch looks at it once all of it is written
        clip = _submit(workspace, number)
        needed = 96 * GB if number % 8 == 5 else 9 * GB
        Generation.objects.filter(id=clip.id).update(needs_bytes=needed, created_at=came)


def pick_for_explore() -> None:
    """Share the newest clip of each model, and put it on Explore."""
    made = Generation.objects.filter(state="succeeded").order_by("-created_at").select_related("version", "clip")
    newest = {clip.version.model_id: clip for clip in reversed(made)}
    for clip in newest.values():
        Share.objects.create(clip=clip.clip, shows_prompt=True, is_indexed=True, featured_at=timezone.now())
