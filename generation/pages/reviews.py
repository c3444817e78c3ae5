"""The page of prompts that staff was asked to look at."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.caller import Caller
from accounts.roles import Action
from generation.models import Generation
from generation.moderation import reviews
from generation.moderation.models import RefusalCount, Review
from loremotion.bodies import takes_files
from loremotion.refusals import Invalid

SHOWN: Final = 50
LONGEST_PROMPT: Final = 8_000


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The reviews that the caller may read, newest first, and how often the workspace's prompts were refused lately."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    counts = RefusalCount.objects.filter(workspace=caller.workspace).order_by("-day", "category")
    context = {"reviews": Review.objects.seen_by(caller).order_by("-created_at")[:SHOWN], "counts": counts[:SHOWN]}
    return render(request, "moderation/reviews.html", context)


@takes_files  # it is a button of the form that makes a clip, which may hold some: they are not read
@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    """Ask staff to look at a prompt, or at a clip that was kept back."""
    caller = tenancy.caller_for(request, Action.GENERATE)  # who may not make clips is told so, whatever they sent
    if (clip := request.POST.get("clip")) is not None:
        return _answer(request, reviews.ask_for_clip(_own(caller, clip), user=caller.user))
    prompt, negative_prompt, plea = (request.POST.get(name, "") for name in ("prompt", "negative_prompt", "plea"))
    if not prompt.strip() or len(prompt) + len(negative_prompt) > LONGEST_PROMPT:
        raise Invalid("invalid_prompt", _("There is no prompt to look at."), next_step=_("Go back and write one."))
    if "\0" in prompt + negative_prompt + plea:
        raise Invalid(
            "invalid_prompt", _("The prompt holds characters that are no text."), next_step=_("Type it again.")
        )
    reviews.refuse_the_innocent(prompt, negative_prompt)  # before anything is made for a newcomer
    workspace, caller = tenancy.ensure(request, Action.GENERATE)
    review = reviews.ask(workspace, user=caller.user, prompt=prompt, negative_prompt=negative_prompt, plea=plea)
    return _answer(request, review)


def _own(caller: Caller, clip: str) -> Generation:
    try:
        return get_object_or_404(Generation.objects.seen_by(caller).select_related("workspace"), id=UUID(clip))
    except ValueError:
        raise Http404 from None


def _answer(request: HttpRequest, review: Review) -> HttpResponse:
    if review.state == Review.State.WAITING:
        messages.success(request, _("Thanks. We'll look at it; the answer will stand here."))
    return redirect("moderation:reviews")
