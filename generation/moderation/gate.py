"""The check of a request's words, asked before anything is held or paid."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from billing.plans import entitlements
from generation.moderation import guard, rules
from generation.moderation.models import PlanPolicy, Policy, RefusalCount, Review
from generation.moderation.verdict import Category, Outcome, Strictness, Verdict
from loremotion.refusals import Invalid

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

logger = logging.getLogger(__name__)

HELD: Final = "prompt_held"
REFUSED: Final = "prompt_refused"
CODES: Final = (HELD, REFUSED)
"""Of refusals that a review can undo."""
_LONGEST_ENDING: Final = 5
_LONGEST_NAME: Final = 200

_ABOUT: Final[Mapping[Category, StrOrPromise]] = {
    Category.SEXUAL_MINORS: gettext_lazy("children in a sexual context"),
    Category.SEXUAL_REAL_PERSON: gettext_lazy("a real person in a sexual context"),
    Category.SEXUAL: gettext_lazy("sexual content"),
    Category.VIOLENCE: gettext_lazy("cruelty"),
    Category.HATE: gettext_lazy("hatred of people for what they are"),
    Category.SELF_HARM: gettext_lazy("self-harm"),
    Category.WEAPONS: gettext_lazy("how to make weapons"),
    Category.UNJUDGED: gettext_lazy("something that we couldn't check just now"),
}
_CHANGE: Final[Mapping[Category, StrOrPromise]] = {
    Category.SEXUAL_MINORS: gettext_lazy("We never make that."),
    Category.SEXUAL_REAL_PERSON: gettext_lazy("Leave out the name, or what is sexual about it."),
    Category.SEXUAL: gettext_lazy("Describe the scene without it."),
    Category.VIOLENCE: gettext_lazy("Describe it without showing the cruelty."),
    Category.HATE: gettext_lazy("Describe the scene without it."),
    Category.SELF_HARM: gettext_lazy(
        "If you're thinking of hurting yourself, findahelpline.com lists people to talk to, now."
    ),
    Category.WEAPONS: gettext_lazy("Describe the scene without instructions."),
    Category.UNJUDGED: gettext_lazy("Try again in a minute."),
}


class PromptRefused(Invalid):
    """The words of a request may not be made into a clip, or not before staff has looked at them."""

    is_final = True

    def __init__(self, verdict: Verdict) -> None:
        assert verdict.category is not None
        about = _ABOUT[verdict.category]
        words = ", ".join(f"“{each}”" for each in verdict.words[:4]) or _("as a whole")
        if verdict.outcome is Outcome.HELD:
            code = HELD
            message = _("This prompt may be about %(about)s (%(words)s), so we look at it before it is made.")
            step = _("Or ask for a review: it's free, and nothing is charged until then.")
        else:
            code, message = REFUSED, _("This prompt seems to be about %(about)s (%(words)s).")
            step = _("Nothing was charged. If we got it wrong, ask for a review.")
        message = message % {"about": about, "words": words}
        super().__init__(code, message, next_step=f"{_CHANGE[verdict.category]} {step}", field="prompt")
        self.verdict = verdict


class FileNameRefused(Invalid):
    """What a file is called says of the prompt what it may not be about."""

    is_final = True

    def __init__(self, verdict: Verdict) -> None:
        assert verdict.category is not None
        words = ", ".join(f"“{each}”" for each in verdict.words[:4]) or _("as a whole")
        super().__init__(
            "file_name_refused",
            _("With the name of the file, this seems to be about %(about)s (%(words)s).")
            % {"about": _ABOUT[verdict.category], "words": words},
            next_step=f"{_CHANGE[verdict.category]} {_('Nothing was charged.')}",
            field="file",
        )


def refuse(workspace: Workspace | None, *, prompt: str, negative_prompt: str, file_names: Sequence[str] = ()) -> None:
    """Refuse words that are held or refused, unless staff has allowed them in this workspace.

    Where nothing is found, the store is asked for the guard model's row alone, and only where there is one.

    Args:
        workspace: None for a newcomer, who has no allowed words yet.
        file_names: of what was uploaded. Together with the prompt they may mean what neither says.

    Raises:
        PromptRefused: with the rule, the words that met it, and what to change.
        FileNameRefused: as it, where the name of a file makes the prompt worse than it is.
        Unavailable: the guard model does not answer, and without its answer nothing is taken.
    """
    verdict = judge(workspace, prompt=prompt, negative_prompt=negative_prompt)
    if names := ". ".join(filter(None, map(words_of_file_name, file_names))):
        together = judge(workspace, prompt=f"{prompt}. {names}", negative_prompt=negative_prompt)
        if together.outcome > verdict.outcome:
            raise _count_refusal(workspace, FileNameRefused(together), together)
    if verdict.outcome is Outcome.ALLOWED or _is_allowed_by_staff(workspace, prompt, negative_prompt):
        return
    raise _count_refusal(workspace, PromptRefused(verdict), verdict)


def _is_allowed_by_staff(workspace: Workspace | None, prompt: str, negative_prompt: str) -> bool:
    reviews = Review.objects.of(workspace).filter(digest=digest_of(prompt, negative_prompt))
    return reviews.filter(state=Review.State.ALLOWED).exists()


def _count_refusal(workspace: Workspace | None, refusal: Invalid, verdict: Verdict) -> Invalid:
    """The refusal, counted for its workspace."""
    assert verdict.category is not None
    if workspace is not None and verdict.category is not Category.UNJUDGED:
        count(workspace, verdict.category)
    logger.info("A prompt was %s as %s", verdict.outcome.name.lower(), verdict.category)
    return refusal


def words_of_file_name(name: str) -> str:
    """The words in the name of a file: without its ending, and with spaces between them."""
    stem, dot, ending = name.rpartition(".")
    return re.sub(r"[_\-+.]+|%20", " ", stem if dot and len(ending) <= _LONGEST_ENDING else name)[
        :_LONGEST_NAME
    ].strip()


def judge(workspace: Workspace | None, *, prompt: str, negative_prompt: str) -> Verdict:
    """Return the verdict on a request's words, by how strictly its workspace is judged.

    Raises:
        Unavailable: as ``refuse``.
    """
    verdict = _judge(prompt, negative_prompt, Strictness.STANDARD)
    if verdict.outcome is Outcome.ALLOWED or strictness_of(workspace) is Strictness.STANDARD:
        return verdict
    return _judge(prompt, negative_prompt, Strictness.RELAXED)


def _judge(prompt: str, negative_prompt: str, strictness: Strictness) -> Verdict:
    """What the rules and the guard model say. It is asked of the prompt alone: that names what is to be seen."""
    verdict = rules.judge_request(prompt, negative_prompt, strictness=strictness)
    if verdict.outcome is Outcome.REFUSED:
        return verdict
    return max(verdict, guard.judge([prompt], strictness=strictness), key=lambda each: each.outcome)


def strictness_of(workspace: Workspace | None) -> Strictness:
    """How strictly the workspace is judged: by its own policy, else its plan's, else the site's."""
    if workspace is not None:
        if own := Policy.objects.filter(workspace=workspace).values_list("strictness", flat=True).first():
            return Strictness(own)
        plans = dict(PlanPolicy.objects.values_list("plan__slug", "strictness"))
        if plans and (of_plan := plans.get(entitlements(workspace.id).plan)):
            return Strictness(of_plan)
    return Strictness(settings.MODERATION_STRICTNESS)


def digest_of(prompt: str, negative_prompt: str) -> str:
    """Return what a review is found by: the words as they are, however much white space is between them."""
    words = "\0".join(" ".join(text.split()) for text in (prompt, negative_prompt))
    return hashlib.sha256(words.encode()).hexdigest()


def count(workspace: Workspace, category: str) -> None:
    """Count one more refusal of a workspace's day."""
    counts = {"workspace": workspace, "day": timezone.now().date(), "category": category}
    RefusalCount.objects.update_or_create(
        **counts, defaults={"count": F("count") + 1}, create_defaults={"count": 1, **counts}
    )
