"""A storyboard as it stands: each scene with its clip, its price, and whether that clip still fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.caller import Caller
from catalog.requests import Ask
from generation.models import OPEN_STATES, Generation, State
from generation.storage import files
from generation.storyboards.models import Scene, Storyboard
from generation.submission import scenes
from generation.submission.scenes import NEXT
from loremotion.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Card:
    """One scene."""

    scene: Scene
    clip: Generation | None
    """The newest of it that the caller sees."""
    stale: str
    """Why it has to be rendered, in words; empty where its clip fits."""
    is_open: bool = False
    """Whether a clip of it is being made, whoever sees that."""
    is_hidden: bool = False
    """Whether its clip is a private one of another member."""
    credits: int | None = None
    """Of rendering it; None where nobody can say."""

    @property
    def is_made(self) -> bool:
        return self.clip is not None and self.clip.state == State.SUCCEEDED and hasattr(self.clip, "clip")


def ask_of(board: Storyboard, scene: Scene) -> Ask:
    """What the scene asks for, all but what it begins with."""
    return Ask(
        prompt=scene.prompt,
        model=board.model,
        size=board.size or None,
        preset=board.preset or None,
        seconds=board.seconds,
    )


def cards_of(board: Storyboard, caller: Caller) -> list[Card]:
    """The scenes in order. In three queries."""
    listed = list(board.scenes.all())
    ids = [scene.clip_id for scene in listed if scene.clip_id is not None]
    clips = {clip.id: clip for clip in Generation.objects.seen_by(caller).kept().for_display().filter(id__in=ids)}
    states = dict(Generation.objects.of(caller.workspace).kept().filter(id__in=ids).values_list("id", "state"))
    cards: list[Card] = []
    for scene in listed:
        clip = clips.get(scene.clip_id) if scene.clip_id is not None else None
        state = states.get(scene.clip_id) if scene.clip_id is not None else None
        is_hidden = clip is None and state is not None
        stale = _("Another member's private clip") if is_hidden else _why_stale(board, scene, clip, cards)
        cards.append(Card(scene, clip, stale, is_open=state in OPEN_STATES, is_hidden=is_hidden))
    return cards


def first_stale(cards: Sequence[Card]) -> int | None:
    """The number, from 0, of the first scene that has to be rendered; None where all fit."""
    return next((number for number, card in enumerate(cards) if card.stale), None)


def with_prices(request: HttpRequest, board: Storyboard, cards: list[Card]) -> list[Card]:
    """The cards with what each costs; as they are where the model does not make such clips for this caller."""
    asks = [replace(ask_of(board, card.scene), prompt="a scene") for card in cards]
    try:
        offers = scenes.offers_of(request, asks, goes_on=False)
    except Refusal:
        return cards
    return [replace(card, credits=offer.quote.credits) for card, offer in zip(cards, offers, strict=True)]


def sum_of(cards: Sequence[Card]) -> int | None:
    """What they cost together; None where that is not known of each."""
    known = [card.credits for card in cards if card.credits is not None]
    return sum(known) if len(known) == len(cards) else None


def _why_stale(board: Storyboard, scene: Scene, clip: Generation | None, before: Sequence[Card]) -> str:
    if clip is None:
        return _("Not rendered yet")
    if not clip.is_open and not (clip.state == State.SUCCEEDED and hasattr(clip, "clip")):
        return _("Its clip wasn't made") if clip.state != State.SUCCEEDED else _("Its clip has expired")
    if clip.prompt != scene.prompt:
        return _("The prompt has changed")
    if not _has_settings_of(board, clip):
        return _("The settings have changed")
    begins_with = files.generation_of(clip.inputs.get(NEXT, ""))
    wanted = str(before[-1].scene.clip_id) if before and before[-1].scene.clip_id else None
    return "" if begins_with == wanted else _("The scene before it has changed")


def _has_settings_of(board: Storyboard, clip: Generation) -> bool:
    asked = {
        "size": (board.size, f"{clip.delivered_width}x{clip.delivered_height}"),
        "preset": (board.preset, clip.preset),
    }
    is_as_long = board.seconds is None or abs(board.seconds - clip.seconds) < 1
    return clip.version.model.slug == board.model and is_as_long and all(not a or a == b for a, b in asked.values())
