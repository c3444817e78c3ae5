"""Reviews: people ask staff to look at a prompt that was held or refused, and staff says yes or no, and why."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import members
from accounts.models import User, Workspace
from generation.models import Generation, State
from generation.moderation import gate, outputs
from generation.moderation.models import RefusalCount, Review
from generation.moderation.verdict import Category, Outcome
from gpu_worker.error_codes import CLIP_EXPLICIT
from loremotion.outbox import mail
from loremotion.outbox.mail import Content, Contents
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Conflict, Invalid, TooMany

logger = logging.getLogger(__name__)

DECIDED: Final = "generation.moderation.reviews.decided_content"
MOST_WAITING: Final = 10
"""Of one workspace, so that nobody fills the list of those who read them."""
KEPT: Final = timedelta(days=90)
LONGEST_PLEA: Final = 500


def ask(workspace: Workspace, *, user: User | None, prompt: str, negative_prompt: str = "", plea: str = "") -> Review:
    """Have staff look at a prompt. Asked twice it is one review, and what staff decided stays decided.

    Raises:
        Invalid: the rules have nothing against it, or what is said for it is too long.
        TooMany: as many of the workspace wait as may.
    """
    if len(plea) > LONGEST_PLEA:
        raise Invalid(
            "plea_too_long",
            _("That has %(count)s characters.") % {"count": intcomma(len(plea))},
            next_step=_("%(most)s are the most.") % {"most": intcomma(LONGEST_PLEA)},
            field="plea",
        )
    verdict = gate.judge(workspace, prompt=prompt, negative_prompt=negative_prompt)
    if verdict.category is None:
        raise _innocent()
    return _begin(
        workspace,
        gate.digest_of(prompt, negative_prompt),
        asked_by=user,
        prompt=prompt,
        negative_prompt=negative_prompt,
        outcome=verdict.outcome,
        category=verdict.category,
        words=list(verdict.words),
        plea=plea,
    )


def ask_for_clip(generation: Generation, *, user: User | None) -> Review:
    """Have staff look at a clip that was kept back. Allowed, it is made again with the same words and seed.

    Raises:
        Conflict: it was not kept back.
        TooMany: as ``ask``.
    """
    if not may_be_asked_for(generation):
        raise Conflict("not_kept_back", _("This clip wasn't kept back."))
    return _begin(
        generation.workspace,
        outputs.digest_of(generation),
        clip_id=generation.id,
        asked_by=user,
        prompt=generation.prompt,
        negative_prompt=generation.negative_prompt,
        outcome=Outcome.REFUSED,
        category=Category.SEXUAL,
        words=[],
    )


def may_be_asked_for(generation: Generation) -> bool:
    """Whether it was kept back for what it shows, and its words are still there."""
    is_kept_back = generation.state == State.BLOCKED and generation.error_code == CLIP_EXPLICIT
    return is_kept_back and generation.deleted_at is None


def _begin(workspace: Workspace, digest: str, **asked: Any) -> Review:
    with transaction.atomic():
        Workspace.objects.select_for_update().get(id=workspace.id)  # so that two at once are counted one by one
        own = Review.objects.of(workspace)
        if (review := own.filter(digest=digest).first()) is not None:
            return review
        if own.waiting().count() >= MOST_WAITING:
            raise TooMany(
                "too_many_reviews",
                _("%(most)s of your prompts and clips wait for a review already.") % {"most": MOST_WAITING},
                next_step=_("We write to you as soon as one is decided."),
                retry_after_seconds=3600,
            )
        review = Review.objects.create(workspace=workspace, digest=digest, **asked)
    logger.info("A review was asked for: %s, %s", review.id, review.category)
    return review


def refuse_the_innocent(prompt: str, negative_prompt: str) -> None:
    """Refuse to review what the rules have nothing against, whoever asks.

    Raises:
        Invalid: it can be made as it is.
    """
    if gate.judge(None, prompt=prompt, negative_prompt=negative_prompt).category is None:
        raise _innocent()


def _innocent() -> Invalid:
    return Invalid("prompt_is_fine", _("There is nothing wrong with this prompt."), next_step=_("Make it as it is."))


def forget(generation: Generation) -> None:
    """Delete the workspace's reviews of this clip and of its words, which somebody wants forgotten."""
    digests = [gate.digest_of(generation.prompt, generation.negative_prompt), outputs.digest_of(generation)]
    Review.objects.filter(workspace=generation.workspace_id, digest__in=digests).delete()


@transaction.atomic
def decide(review_id: UUID, *, staff: User, is_allowed: bool, statement: str) -> Review:
    """Write the decision into the review, and mail it to whoever asked. Decided so before, it stays as it is.

    Raises:
        Conflict: it was decided otherwise by now.
    """
    review = Review.objects.select_for_update().get(id=review_id)
    state = Review.State.ALLOWED if is_allowed else Review.State.REFUSED
    if review.state == state:
        return review
    if review.state != Review.State.WAITING:
        raise Conflict("decided_already", f"Somebody decided already: {review.get_state_display().lower()}.")
    review.state, review.statement = state, statement
    review.decided_by, review.decided_at = staff, timezone.now()
    review.save(update_fields=["state", "statement", "decided_by", "decided_at"])
    if review.asked_by_id is not None:
        message = MailMessage(
            user_id=review.asked_by_id, workspace_id=review.workspace_id, content=DECIDED, about=review.id
        )
        mail.write([message], occasion=str(review.id))
    return review


def forget_old() -> int:
    """Delete reviews that were decided, and counts that were made, long ago. Returns how many reviews that was."""
    until = timezone.now() - KEPT
    RefusalCount.objects.filter(day__lt=until.date()).delete()
    count, _by_model = Review.objects.filter(decided_at__lt=until).delete()
    return count


def decided_content(message: MailMessage) -> Content | None:
    """The words of the mail; None once the review is gone or its reader has left."""
    review = Review.objects.filter(id=message.about, workspace=message.tenant_id).first()
    if review is None or not members.is_active_member(user_id=message.user_id, workspace_id=message.tenant_id):
        return None
    url = settings.SITE_URL + reverse("moderation:reviews")
    return Content("moderation/mail/decided.txt", {"review": review, "url": url})


MAIL: Contents = {DECIDED: decided_content}
