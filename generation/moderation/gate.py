"""The check of a request's words, asked before anything is held or paid."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts.models import Workspace
from generation.moderation import rules
from generation.moderation.models import Policy, RefusalCount, Review
from generation.moderation.verdict import Category, Outcome, Strictness, Verdict
from loremotion.refusals import Invalid

logger = logging.getLogger(__name__)

HELD: Final = "prompt_held"
REFUSED: Final = "prompt_refused"
CODES: Final = (HELD, REFUSED)
"""Of refusals that a review can undo."""

_ABOUT: Final[Mapping[Category, str]] = {
    Category.SEXUAL_MINORS: "children in a sexual context",
    Category.SEXUAL_REAL_PERSON: "a real person in a sexual context",
    Category.SEXUAL: "sexual content",
    Category.VIOLENCE: "cruelty",
    Category.HATE: "hatred of people for what they are",
    Category.SELF_HARM: "self-harm",
    Category.WEAPONS: "how to make weapons",
}
_CHANGE: Final[Mapping[Category, str]] = {
    Category.SEXUAL_MINORS: "We never make that.",
    Category.SEXUAL_REAL_PERSON: "Leave out the name, or what is sexual about it.",
    Category.SEXUAL: "Describe the scene without it.",
    Category.VIOLENCE: "Describe it without showing the cruelty.",
    Category.HATE: "Describe the scene without it.",
    Category.SELF_HARM: "If you're thinking of hurting yourself, findahelpline.com lists people to talk to, now.",
    Category.WEAPONS: "Describe the scene without instructions.",
}


class PromptRefused(Invalid):
    """The words of a request may not be made into a clip, or not before staff has looked at them."""

    is_final = True

    def __init__(self, verdict: Verdict) -> None:
        assert verdict.category is not None
        about = _ABOUT[verdict.category]
        words = ", ".join(f"“{each}”" for each in verdict.words[:4])
        if verdict.outcome is Outcome.HELD:
            code, message = HELD, f"This prompt may be about {about} ({words}), so we look at it before it is made."
            step = f"{_CHANGE[verdict.category]} Or ask for a review: it's free, and nothing is charged until then."
        else:
            code, message = REFUSED, f"This prompt seems to be about {about} ({words})."
            step = f"{_CHANGE[verdict.category]} Nothing was charged. If we got it wrong, ask for a review."
        super().__init__(code, message, next_step=step, field="prompt")
        self.verdict = verdict


def refuse(workspace: Workspace | None, *, prompt: str, negative_prompt: str) -> None:
    """Refuse words that the rules hold or refuse, unless staff has allowed them in this workspace.

    Where the rules find nothing, the store is not asked.

    Args:
        workspace: None for a newcomer, who has no allowed words yet.

    Raises:
        PromptRefused: with the rule, the words that met it, and what to change.
    """
    verdict = judge(workspace, prompt=prompt, negative_prompt=negative_prompt)
    if verdict.outcome is Outcome.ALLOWED:
        return
    if workspace is not None:
        reviews = Review.objects.of(workspace).filter(digest=digest_of(prompt, negative_prompt))
        if reviews.filter(state=Review.State.ALLOWED).exists():
            return
        _count(workspace, verdict)
    assert verdict.category is not None
    logger.info("A prompt was %s as %s", verdict.outcome.name.lower(), verdict.category)
    raise PromptRefused(verdict)


def judge(workspace: Workspace | None, *, prompt: str, negative_prompt: str) -> Verdict:
    """Return the verdict on a request's words, by how strictly its workspace is judged."""
    verdict = rules.judge_request(prompt, negative_prompt, strictness=Strictness.STANDARD)
    if verdict.outcome is Outcome.ALLOWED or strictness_of(workspace) is Strictness.STANDARD:
        return verdict
    return rules.judge_request(prompt, negative_prompt, strictness=Strictness.RELAXED)


def strictness_of(workspace: Workspace | None) -> Strictness:
    """How strictly the workspace is judged."""
    own = Policy.objects.filter(workspace=workspace).values_list("strictness", flat=True).first() if workspace else None
    return Strictness(own or settings.MODERATION_STRICTNESS)


def digest_of(prompt: str, negative_prompt: str) -> str:
    """Return what a review is found by: the words as they are, however much white space is between them."""
    words = "\0".join(" ".join(text.split()) for text in (prompt, negative_prompt))
    return hashlib.sha256(words.encode()).hexdigest()


def _count(workspace: Workspace, verdict: Verdict) -> None:
    counts = {"workspace": workspace, "day": timezone.now().date(), "category": verdict.category}
    RefusalCount.objects.update_or_create(
        **counts, defaults={"count": F("count") + 1}, create_defaults={"count": 1, **counts}
    )
