"""The page of prompts that staff was asked to look at."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.roles import Action
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
    """Ask staff to look at a prompt."""
    tenancy.caller_for(request, Action.GENERATE)  # who may not make clips is told so, whatever they sent
    prompt, negative_prompt, plea = (request.POST.get(name, "") for name in ("prompt", "negative_prompt", "plea"))
    if not prompt.strip() or len(prompt) + len(negative_prompt) > LONGEST_PROMPT:
        raise Invalid("invalid_prompt", "There is no prompt to look at.", next_step="Go back and write one.")
    if "\0" in prompt + negative_prompt + plea:
        raise Invalid("invalid_prompt", "The prompt holds characters that are no text.", next_step="Type it again.")
    reviews.refuse_the_innocent(prompt, negative_prompt)  # before anything is made for a newcomer
    workspace, caller = tenancy.ensure(request, Action.GENERATE)
    review = reviews.ask(workspace, user=caller.user, prompt=prompt, negative_prompt=negative_prompt, plea=plea)
    if review.state == Review.State.WAITING:
        messages.success(request, "Thanks. We'll look at it; the answer will stand here.")
    return redirect("moderation:reviews")
