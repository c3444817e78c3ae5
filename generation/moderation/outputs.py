"""Whether a finished clip is kept back for what its pictures show, by the score that its GPU host gave them."""

from __future__ import annotations

import hashlib
import logging
from typing import Final

from django.conf import settings

from generation.models import Generation
from generation.moderation import gate
from generation.moderation.models import Review
from generation.moderation.verdict import Strictness
from gpu_worker.contract import CLIP_EXPLICIT, RenderError

EXPLICIT: Final = RenderError(
    code=CLIP_EXPLICIT,
    message="What this clip shows looks sexual to the model that checks finished clips, so we keep it back. Another "
    "seed or other words may do better. If it got that wrong, ask for a review.",
)

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


def digest_of(generation: Generation) -> str:
    """Return what the review of a clip is found by: the same words with the same seed make the same clip."""
    words = gate.digest_of(generation.prompt, generation.negative_prompt)
    return hashlib.sha256(f"{words} {generation.seed}".encode()).hexdigest()
