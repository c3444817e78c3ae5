"""How the clips stand that a browser has on their way: one look for all of its tabs."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import tenancy
from accounts.roles import Action
from generation.live import progress
from generation.models import Generation, State
from generation.pages.stages import plain_title
from generation.scheduling import wait
from gpu_worker.contract import Progress

MOST: Final = 20
"""Clips that one look asks about; later ones wait for their turn in the library."""
_ENTRIES: Final = 4
"""Of a clip's stream that are read: no picture is shown here."""


@require_safe
@never_cache
def tray(request: HttpRequest) -> JsonResponse:
    """What has become of the clips whose ids ``clips`` lists, of those that the caller sees, and in which workspace;
    where one has ended, also the header's ``credits_left``, as HTML."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    asked = _uuids(request.GET.get("clips", ""))
    found = list(Generation.objects.seen_by(caller).kept().for_display().filter(id__in=asked)) if asked else []
    waiting = [clip for clip in found if clip.is_open and clip.state != State.RUNNING]
    waits = wait.waits_of(waiting) if waiting else {}
    seen = progress.latest_of([clip.id for clip in found if clip.state == State.RUNNING], entries=_ENTRIES)
    said = [_entry_of(clip, waits.get(clip.id), seen.get(clip.id)) for clip in found]
    workspace = str(caller.workspace.id) if caller.workspace is not None else ""
    has_ended = any(not clip.is_open for clip in found)
    credits_left = render_to_string("credits_left.html", request=request) if has_ended else ""
    return JsonResponse({"workspace": workspace, "clips": said, "credits_left": credits_left})


def _uuids(listed: str) -> list[UUID]:
    found = []
    for text in listed.split(",")[:MOST]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _entry_of(clip: Generation, waits: wait.Wait | None, seen: Progress | None) -> dict[str, Any]:
    return {
        "id": str(clip.id),
        "prompt": clip.prompt[:80],
        "url": reverse("generation:detail", args=[clip.id]),
        "is_open": clip.is_open,
        "is_cancelled": clip.state == State.CANCELLED,
        "is_ready": clip.state == State.SUCCEEDED,
        "percent": seen.percent if seen is not None else 0,
        "words": _words(clip, waits, seen),
    }


def _words(clip: Generation, waits: wait.Wait | None, seen: Progress | None) -> str:
    if waits is not None:
        return " ".join(str(part) for part in (waits.reason, waits.in_words) if part)
    if clip.state == State.RUNNING:
        return plain_title(seen.stage) if seen is not None else _("Warming up")
    ends = {State.SUCCEEDED: _("Ready"), State.CANCELLED: _("Cancelled")}
    return ends.get(State(clip.state)) or _("Didn't work out")
