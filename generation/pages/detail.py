"""The page of one clip, and what its buttons do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.roles import Action
from catalog.pricing import receipt_words
from catalog.prompt_length import ignored_words
from generation import recipes
from generation.access import own_generation, own_receipt
from generation.api import listing, presentation
from generation.boards.models import Board
from generation.drafts.models import draft_of
from generation.live import progress
from generation.models import Generation, State
from generation.moderation import reviews
from generation.pages.family import family_of
from generation.pages.stages import PLAIN_STAGES, plain_title
from generation.provenance import carried
from generation.scheduling import wait
from generation.settlement import deletion, error_words, notifications, settle
from generation.sharing import links
from generation.storage import conversions
from generation.submission import finishing, privacy, rerolls
from loremotion.refusals import Forbidden


@require_safe
def page(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """One clip on its way, or finished. Refreshes itself without JavaScript. Of a deleted one, the receipt."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    generation = own_receipt(caller, generation_id)
    context: dict[str, Any] = {
        "generation": generation,
        "may_change_privacy": privacy.may_change(caller, generation),
        "may_ask_for_review": caller.may(Action.GENERATE) and reviews.may_be_asked_for(generation),
        "may_reroll": rerolls.is_offered(caller, generation),
        "may_keep": caller.may(Action.GENERATE) and generation.deleted_at is None,
        "may_delete": not generation.is_open and caller.may(Action.GENERATE),
        "cost": presentation.cost(generation),
        "receipt": receipt_words(generation.quote),
        "error_words": error_words.in_readers_language(generation.error_message, generation.error_code),
        "converts": conversions.is_offered(),
        "is_running": generation.state == State.RUNNING,
        "ignored": ignored_words(generation.prompt, generation.version),
        "render_seconds": _render_seconds(generation),
        "sent_credentials": carried.told_of(generation),
    }
    if (
        caller.may(Action.GENERATE)
        and hasattr(generation, "clip")
        and not (generation.is_private or generation.deleted_at)
    ):
        link = links.of(generation)
        context |= {"may_share": True, "link": link, "link_address": links.address(link.token) if link else ""}
    context |= _draft(caller, generation)
    if generation.is_open:
        seen = progress.latest(generation.id)
        stage = seen.stage if seen is not None and seen.stage in presentation.STAGES else "queued"
        context |= {
            "wait": wait.wait_of(generation),
            "seen": seen,
            "message": error_words.in_readers_language(seen.message) if seen is not None else "",
            "stages": PLAIN_STAGES,
            "stage_now": stage,
            "stage_label": plain_title(stage),
            "has_asked_for_mail": caller.user is not None and notifications.is_requested(generation, user=caller.user),
        }
    else:
        context["boards"] = Board.objects.of(caller.workspace).filter(places__generation=generation)
        context["family"] = family_of(generation, caller) if generation.deleted_at is None else None
        context |= {"newer": _beside(caller, generation, is_newer=True), "older": _beside(caller, generation)}
    return render(request, "generation/detail.html", context)


def _draft(caller: Caller, generation: Generation) -> dict[str, Any]:
    """Of a draft what became of it, or what finishing it costs; of a clip that was made from one, the draft."""
    note = draft_of(generation)
    if note is None:
        return {}
    if note.generation_id != generation.id:
        return {"draft": note.generation, "draft_cost": presentation.cost(note.generation)}
    finish = finishing.offer_of(note) if caller.may(Action.GENERATE) else None
    return {"is_draft": True, "note": note, "finish": finish, "final": finishing.final_of(note, caller)}


def _beside(caller: Caller, generation: Generation, *, is_newer: bool = False) -> Generation | None:
    """The clip that comes before or after this one in the library, if there is one."""
    found = listing.page(caller, limit=1, after=generation, is_ascending=is_newer)
    return found[0] if found else None


def _render_seconds(generation: Generation) -> float | None:
    """From start to end of a clip that was made."""
    if generation.state != State.SUCCEEDED or generation.started_at is None or generation.finished_at is None:
        return None
    return max(1.0, (generation.finished_at - generation.started_at).total_seconds())


@require_POST
def mail_when_ended(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Ask for a mail about this clip, or take that back. For members: a visitor has no address."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    generation, user = own_generation(caller, generation_id), caller.user
    if user is None:
        raise Forbidden("members_only", _("You need an account to get email."), next_step=_("Sign in first."))
    if request.POST.get("to") == "off":
        notifications.withdraw(generation, user=user)
    else:
        notifications.request(generation, user=user)
    return redirect("generation:detail", generation.id)


@require_POST
def cancel(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    generation = own_generation(tenancy.caller_for(request, Action.GENERATE), generation_id)
    settle.cancel(generation)
    return redirect("generation:detail", generation.id)


@require_POST
def reroll(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Make a clip that came out frozen or flickering once more, for nothing."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    again = rerolls.make(own_generation(caller, generation_id), caller=caller, network=networks.fingerprint_of(request))
    return redirect("generation:detail", again.id)


@require_POST
def finish(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Make the whole clip of a draft, for what it costs more."""
    made = finishing.finish(request, own_generation(tenancy.caller_for(request, Action.GENERATE), generation_id))
    return redirect("generation:detail", made.id)


@require_POST
def set_privacy(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Make a clip private, or show it to the team: ``is_private`` is ``yes`` or anything else."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    generation = own_generation(caller, generation_id)
    is_private = request.POST.get("is_private") == "yes"
    privacy.change(generation, caller=caller, is_private=is_private)
    return redirect("generation:detail", generation.id)


@require_POST
def delete(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    deletion.delete(own_generation(tenancy.caller_for(request, Action.GENERATE), generation_id))
    messages.success(request, _("Clip deleted. You can still see what it cost under Credits."))
    return redirect("generation:history")


@require_safe
def recipe(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """The clip's recipe as a file."""
    clip = own_generation(tenancy.caller_for(request, Action.READ_CLIPS), generation_id)
    response = HttpResponse(recipes.Recipe.of(clip).to_json(), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{slugify(clip.prompt)[:60] or "clip"}.recipe.json"'
    return response
