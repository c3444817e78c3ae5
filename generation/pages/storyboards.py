"""Storyboards: scenes are written, put in order, rendered one after the other for one price, played and exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.caller import Caller
from accounts.roles import Action
from catalog.models import Model
from catalog.selection import chosen_of
from generation.pages import chips
from generation.pages.scene_cards import Card, ask_of, cards_of, first_stale
from generation.pages.ways_on import ways_on
from generation.storage import joining
from generation.storyboards import keeping
from generation.storyboards.models import Storyboard
from generation.submission import batch, intake, scenes
from loremotion.refusals import Conflict, Refusal

_ORDERS: Final = {"up": -1, "down": 1}


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Every storyboard of the workspace, and a form that begins one."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    boards = Storyboard.objects.of(caller.workspace).prefetch_related("scenes")
    return render(request, "storyboards/listing.html", {"boards": boards, "is_offered": bool(_models())})


@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    workspace, _ = tenancy.ensure(request, Action.GENERATE)
    model = chosen_of(_models(), "")
    if model is None:
        raise Conflict("no_scenes", "No model here can go on from a picture right now.", next_step="Try again later.")
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
    messages.success(request, f"The storyboard {board.title} is deleted. Its clips stay in your library.")
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
    cards = cards_of(board, caller)
    part = _part(cards, what)
    if not part:
        return
    if any(card.is_open for card in cards[part[0] : part[-1] + 1]):
        raise Conflict("in_progress", "These scenes are being made.", next_step="Wait for them, or cancel them first.")
    before = cards[part[0] - 1] if part[0] else None
    if before is not None and not before.is_made:
        why, step = "is not made yet", "Render that one first, or all of them."
        if before.is_hidden:
            why, step = "is another member's private clip", "Render all of them, or ask for it to be shared."
        raise Conflict("no_beginning", f"Scene {part[0]} {why}.", next_step=step)
    looked_at = [card.scene for card in cards[max(0, part[0] - 1) : part[-1] + 1]]

    def recheck() -> None:
        if not keeping.are_as_read(board, looked_at):
            raise Conflict(
                "changed_meanwhile",
                "These scenes were just changed or rendered in another tab or by another member.",
                next_step="Look at them, then render what is still to be rendered.",
            )

    asks = [ask_of(board, cards[number].scene) for number in part]
    after = before.clip if before is not None else None
    sending = request.POST.get("sending") or batch.new_sending()
    credits = request.POST.get(f"credits-{what}", "")
    most = int(credits) if credits.isascii() and credits.isdigit() and len(credits) < 10 else None
    shown_in = [cards[number].scene for number in part]
    show = partial(keeping.show_clips, shown_in)
    try:
        scenes.take_in_order(request, asks, after=after, sending=sending, most_credits=most, recheck=recheck, then=show)
    except intake.CostsMore as refusal:
        raise intake.price_has_changed(most, refusal) from None


def _part(cards: Sequence[Card], what: str) -> list[int]:
    """The numbers of the scenes, from 0, that ``what`` asks for."""
    name, _, scene_id = what.partition(":")
    if name == "all":
        first = first_stale(cards)
        return [] if first is None else list(range(first, len(cards)))
    at = next((number for number, card in enumerate(cards) if str(card.scene.id) == scene_id), None)
    if at is None:
        raise Http404
    return [at] if name == "only" else list(range(at, len(cards)))


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
    cards = _with_prices(request, board, cards_of(board, caller))
    chosen = next((model for model in models if model.slug == board.model), None)
    version = chosen.current if chosen is not None else None
    first = first_stale(cards)
    clips = [card.clip for card in cards if card.is_made]
    context = {
        "board": board,
        "cards": [(card, _sum(cards[number:])) for number, card in enumerate(cards)],
        "first": first,
        "to_render": len(cards) - first if first is not None else 0,
        "credits": _sum(cards[first:]) if first is not None else None,
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


def _with_prices(request: HttpRequest, board: Storyboard, cards: list[Card]) -> list[Card]:
    """The cards with what each costs; as they are where the model does not make such clips for this caller."""
    asks = [replace(ask_of(board, card.scene), prompt="a scene") for card in cards]
    try:
        offers = scenes.offers_of(request, asks, goes_on=False)
    except Refusal:
        return cards
    return [replace(card, credits=offer.quote.credits) for card, offer in zip(cards, offers, strict=True)]


def _sum(cards: Sequence[Card]) -> int | None:
    known = [card.credits for card in cards if card.credits is not None]
    return sum(known) if len(known) == len(cards) else None


def _models() -> list[Model]:
    return [model for model in Model.objects.for_people() if scenes.can_tell(model)]


def _own(caller: Caller, storyboard_id: UUID) -> Storyboard:
    return get_object_or_404(Storyboard.objects.of(caller.workspace), id=storyboard_id)
