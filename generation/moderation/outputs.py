"""Whether a finished clip is kept back for what its pictures show, by the score that its GPU host gave them."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC
from typing import Final

from django.conf import settings
from django.utils import timezone

from generation.models import Generation, State
from generation.moderation import gate
from generation.moderation.models import Review
from generation.moderation.verdict import Strictness
from generation.tiers import yields
from gpu_worker.contract import RenderError
from gpu_worker.error_codes import CLIP_EXPLICIT

EXPLICIT: Final = RenderError(
    code=CLIP_EXPLICIT,
    message="What this clip shows looks sexual to the model that checks finished clips, so we keep it back. Another "
    "seed or other words may do better. If it got that wrong, ask for a review.",
)

MOST_GIVEN_BACK: Final = 3

logger = logging.getLogger(__name__)


def is_kept_back(generation: Generation, score: float | None) -> bool:
    """Whether the clip is not delivered: its score is too high, and neither its workspace's policy nor a review of it
    lets it through. Without a score nobody asks the database."""
    if score is None or score < settings.MODERATION_OUTPUT_SCORE:
        return False
    workspace = generation.workspace
    if gate.strictness_of(workspace) is Strictness.RELAXED:
        return False
    if Review.objects.of(workspace).filter(digest=digest_of(generation), state=Review.State.ALLOWED).exists():
        return False
    logger.info("A clip of %s is kept back: its pictures score %.2f", workspace.id, score)
    return True


def is_given_back(generation: Generation) -> bool:
    """Whether a clip that is kept back costs nothing. Of clips on free credits only the first few of a workspace's day:
    else whoever asks for such clips on and on would use up everybody's free GPU time with the same few credits."""
    if not yields(generation.fair_finish):
        return True
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    before = Generation.objects.filter(workspace=generation.workspace_id, created_at__gte=today, state=State.BLOCKED)
    return before.exclude(id=generation.id)[:MOST_GIVEN_BACK].count() < MOST_GIVEN_BACK


def digest_of(generation: Generation) -> str:
    """Return what the review of a clip is found by: all of what makes it that clip."""
    words = gate.digest_of(generation.prompt, generation.negative_prompt)
    size = f"{generation.width}x{generation.height}x{generation.num_frames}"
    begins_with = sorted(generation.inputs.items())
    made_by = f"{generation.version_id} {generation.mode} {generation.preset} {generation.seed}"
    clip = f"{words} {made_by} {size} {begins_with}"
    return hashlib.sha256(clip.encode()).hexdigest()
