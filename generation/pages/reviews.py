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
    """The workspace's reviews, newest first, and how often its prompts were refused lately."""
    workspace = tenancy.caller_for(request, Action.READ_CLIPS).workspace
    counts = RefusalCount.objects.filter(workspace=workspace).order_by("-day", "category")
    context = {"reviews": Review.objects.of(workspace).order_by("-created_at")[:SHOWN], "counts": counts[:SHOWN]}
    return render(request, "moderation/reviews.html", context)


@takes_files  # it is a button of the form that makes a clip, which may hold some: they are not read
@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    """Ask staff to look at a prompt."""
    prompt, negative_prompt = (request.POST.get(name, "") for name in ("prompt", "negative_prompt"))
    if not prompt.strip() or len(prompt) + len(negative_prompt) > LONGEST_PROMPT:
        raise Invalid("invalid_prompt", "There is no prompt to look at.", next_step="Go back and write one.")
    workspace, caller = tenancy.ensure(request, Action.GENERATE)
    review = reviews.ask(
        workspace,
        user=caller.user if caller is not None else None,
        prompt=prompt,
        negative_prompt=negative_prompt,
        plea=request.POST.get("plea", ""),
    )
    if review.state == Review.State.WAITING:
        messages.success(request, "Thanks. We'll look at it; the answer will stand here.")
    return redirect("moderation:reviews")
