"""Rows for tests, as plain functions with defaults that work."""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import Visitor, Workspace
from billing import ledger
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation import reports
from generation.attempt_secret import secret_of
from generation.models import OUTPUT_NAMES, Generation
from generation.storage import files
from generation.submission.submit import submit
from gpu_worker.contract import ClipFacts, Outcome, RenderError, RenderReport
from tests.catalog.factories import make_model

CLIP_BYTES = b"\x00\x00\x00\x18ftyp" + (b"0123456789" * 100)[8:]
"""What passes for an MP4: it begins as one."""


def model(slug: str = "toy", *, is_default: bool = True, **changes: Any) -> Model:
    """An enabled model that makes clips of 1 to 5 seconds for five credits a second."""
    version: dict[str, Any] = {
        "family": "ltx",
        "source": slug,
        "modes": ["text"],
        "sizes": ["96x64", "192x128"],
        "fps": 8,
        "min_seconds": 1,
        "max_seconds": 5,
        "default_seconds": 2,
        "presets": {"standard": {"steps": 8, "guidance_scale": 1.0}},
        "prices": {"standard": {"360p": 5_000}},
        "timeout_seconds": 60,
        "licence": "Apache-2.0",
    }
    return make_model(slug, aliases=("default",) if is_default else (), **(version | changes))


def visitor(*, credits: int = 0) -> Visitor:
    """Somebody without an account; ``credits`` come on top of the daily allowance."""
    made = Visitor.objects.create(workspace=Workspace.objects.create(kind=Workspace.Kind.VISITOR))
    if credits:
        ledger.grant(
            account=made.workspace_id, reference=f"test:{made.id}", amount=credits, kind=ledger.LotKind.ADJUSTMENT
        )
    return made


def submitted(workspace: Workspace, prompt: str = "a red circle", **asked: Any) -> Generation:
    """A request that went the real way in."""
    return submit(workspace=workspace, offer=make_offer(Ask(prompt=prompt, **asked)))


def deliver_clip(generation: Generation) -> None:
    """Put the files where the worker puts them."""
    for role in OUTPUT_NAMES:
        key = files.key(generation, role)
        default_storage.delete(key)
        default_storage.save(key, ContentFile(CLIP_BYTES))


def report(generation: Generation, outcome: Outcome = Outcome.SUCCEEDED, **changes: Any) -> RenderReport:
    """What the worker of the present attempt would say."""
    generation.refresh_from_db()
    said: dict[str, Any] = {
        "generation_id": str(generation.id),
        "attempt": generation.attempt,
        "secret": secret_of(str(generation.id), generation.attempt),
        "worker": "gpu-test",
        "outcome": outcome,
        "steps_done": generation.steps if outcome == Outcome.SUCCEEDED else 0,
        "steps_total": generation.steps,
    }
    if outcome == Outcome.SUCCEEDED:
        said["clip"] = clip_facts(generation)
    if outcome == Outcome.FAILED:
        said["error"] = RenderError(code="out_of_memory", message="It needs 31.0 GB and the card has 24.0 GB.")
    return RenderReport(**(said | changes))


def clip_facts(generation: Generation) -> ClipFacts:
    return ClipFacts(
        width=generation.width,
        height=generation.height,
        num_frames=generation.num_frames,
        fps=generation.fps,
        duration_seconds=generation.seconds,
        size_bytes=len(CLIP_BYTES),
        sha256=hashlib.sha256(CLIP_BYTES).hexdigest(),
    )


def lose_worker(generation: Generation, attempt: int, reason: str = "exit code -9") -> bool:
    """Report, as its supervisor does, that the worker of an attempt is gone."""
    name = str(generation.id)
    return reports.worker_lost(name, attempt, "gpu-test", reason, secret_of(name, attempt))
