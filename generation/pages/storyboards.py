"""Storyboards: scenes are written, put in order, rendered one after the other for one price, played and exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.caller import Caller
from accounts.roles import Action
from catalog.models import Model
from catalog.selection import chosen_of
from generation.models import Generation
from generation.pages import chips
from generation.pages.ways_on import ways_on
from generation.storage import joining
from generation.storyboards import keeping
from generation.storyboards.models import Storyboard
from generation.submission import batch, idempotency, intake, scene_renders, scenes
from generation.submission.scene_cards import cards_of, first_stale, sum_of, with_prices
from loremotion.refusals import Conflict, Refusal

FRAMES: Final = 3
"""Pictures that the list shows of each."""
_ORDERS: Final = {"up": -1, "down": 1}


@dataclass(frozen=True, slots=True)
class _Cover:
    """A storyboard as its list shows it: its first pictures, and how far it has come."""

    board: Storyboard
    scenes: int
    made: int
    frames: Sequence[Mapping[str, Any]]


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The storyboards of the workspace, ``keeping.MOST_STORYBOARDS`` at most, and a form that begins one."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    boards = Storyboard.objects.of(caller.workspace).prefetch_related("scenes")
    context = {"covers": _covers(caller, list(boards)), "is_offered": bool(_models())}
    return render(request, "storyboards/listing.html", context)


def _covers(caller: Caller, boards: list[Storyboard]) -> list[_Cover]:
    """What the list shows of each, in two queries however many there are."""
    scenes = {board.pk: list(board.scenes.all()) for board in boards}
    ids = [scene.clip_id for all_scenes in scenes.values() for scene in all_scenes if scene.clip_id is not None]
    made = Generation.objects.seen_by(caller).kept().filter(id__in=ids, clip__isnull=False)
    sizes: dict[UUID | None, Mapping[str, Any]] = {
        clip["id"]: clip for clip in made.values("id", "clip__width", "clip__height")
    }
    covers = []
    for board in boards:
        frames = [sizes[scene.clip_id] for scene in scenes[board.pk] if scene.clip_id in sizes]
        covers.append(_Cover(board, len(scenes[board.pk]), len(frames), frames[:FRAMES]))
    return covers


@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    workspace, _caller = tenancy.ensure(request, Action.GENERATE)
    model = chosen_of(_models(), "")
    if model is None:
        raise Conflict(
            "no_scenes", _("No model here can go on from a picture right now."), next_step=_("Try again later.")
        )
    board = keeping.begin(workspace, title=request.POST.get("title", ""), model=model.slug)
    return redirect("generation:storyboard", board.id)


@require_safe
def page(request: HttpRequest, storyboard_id: UUID) -> HttpResponse:
    """One storyboard with its scenes."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    return _page(request, caller, _own(caller, storyboard_id))


@require_POST
def change(request: HttpRequest, storyboard_id: UUID) -> HttpResponse:
    """Save what was typed, then do what was pressed: ``add``, ``up``, ``down`` or ``remove`` with a scene's id, or
    ``render``: ``all`` that has to be, or ``only`` or ``from`` with a scene's id behind it."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    board, sent = _own(caller, storyboard_id), request.POST
    try:
        _save(board, request)
        board.refresh_from_db()
        if "add" in sent:
            keeping.add(board)
        elif "remove" in sent:
            keeping.remove(board, sent["remove"])
        elif order := next((name for name in _ORDERS if name in sent), None):
            keeping.move(board, sent[order], by=_ORDERS[order])
        elif "render" in sent:
            _render(request, caller, board, sent["render"])
    except Refusal as refusal:
        return _page(request, caller, _own(caller, storyboard_id), refusal)
    return redirect("generation:storyboard", board.id)


@require_POST
def delete(request: HttpRequest, storyboard_id: UUID) -> HttpResponse:
    board = _own(tenancy.caller_for(request, Action.GENERATE), storyboard_id)
    keeping.delete(board)
    messages.success(
        request, _("The storyboard %(title)s is deleted. Its clips stay in your library.") % {"title": board.title}
    )
    return redirect("generation:storyboards")


@require_safe
def film(request: HttpRequest, storyboard_id: UUID) -> HttpResponseBase:
    """All scenes as one MP4."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    board = _own(caller, storyboard_id)
    clips = [card.clip for card in cards_of(board, caller) if card.is_made and card.clip is not None]
    if not joining.is_offered() or not clips:
        raise Http404
    response = joining.serve([clip.clip for clip in clips], reader=board.workspace_id)
    if "download" in request.GET:
        response["Content-Disposition"] = f'attachment; filename="{joining.name_of(board.title)}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _render(request: HttpRequest, caller: Caller, board: Storyboard, what: str) -> None:
    name, _colon, scene_id = what.partition(":")
    credits = request.POST.get(f"credits-{what}", "")
    most = int(credits) if credits.isascii() and credits.isdigit() and len(credits) < 10 else None
    part = scene_renders.Part(None if name == "all" else scene_id, is_alone=name == "only")
    try:
        scene_renders.render(request, caller, board, part, form=request.POST.get("sending", ""), most_credits=most)
    except idempotency.KeyReused:
        raise idempotency.form_reused() from None
    except intake.CostsMore as refusal:
        raise intake.price_has_changed(most, refusal) from None


def _save(board: Storyboard, request: HttpRequest) -> None:
    sent = request.POST
    prompts = {name.removeprefix("prompt-"): str(value) for name, value in sent.items() if name.startswith("prompt-")}
    model = chosen_of(_models(), sent.get("model", board.model))
    settings: dict[str, Any] = {}
    if model is not None and model.current is not None and "model" in sent:
        version, seconds = model.current, sent.get("seconds", "")
        lengths = {chip.value for chip in chips.lengths(version, chosen=None)}
        settings = {
            "model": model.slug,
            "size": sent.get("size", "") if sent.get("size") in version.delivered_sizes else "",
            "preset": sent.get("preset", "") if sent.get("preset") in version.presets else "",
            "seconds": float(seconds) if seconds in lengths else None,
        }
    keeping.write(board, title=sent.get("title", board.title), prompts=prompts, **settings)


def _page(request: HttpRequest, caller: Caller, board: Storyboard, refusal: Refusal | None = None) -> HttpResponse:
    models = _models()
    cards = with_prices(request, board, cards_of(board, caller))
    chosen = next((model for model in models if model.slug == board.model), None)
    version = chosen.current if chosen is not None else None
    first = first_stale(cards)
    clips = [card.clip for card in cards if card.is_made]
    context = {
        "board": board,
        "cards": [(card, sum_of(cards[number:])) for number, card in enumerate(cards)],
        "first": first,
        "to_render": len(cards) - first if first is not None else 0,
        "credits": sum_of(cards[first:]) if first is not None else None,
        "is_open": any(card.is_open for card in cards),
        "clips": clips,
        "is_whole": len(clips) == len(cards),
        "joins": joining.is_offered(),
        "models": models,
        "sizes": chips.sizes(version, chosen=board.size) if version is not None else [],
        "lengths": chips.lengths(version, chosen=board.seconds) if version is not None else [],
        "presets": chips.presets(version, chosen=board.preset) if version is not None else [],
        "sending": batch.new_sending(),
        "most": keeping.MOST_SCENES,
        "refusal": refusal,
        "ways_on": ways_on(refusal, is_signed_in=request.user.is_authenticated) if refusal is not None else [],
    }
    status = refusal.status if refusal is not None else 200
    return render(request, "storyboards/storyboard.html", context, status=status)


def _models() -> list[Model]:
    return [model for model in Model.objects.for_people() if scenes.can_tell(model)]


def _own(caller: Caller, storyboard_id: UUID) -> Storyboard:
    return get_object_or_404(Storyboard.objects.of(caller.workspace), id=storyboard_id)
