"""``/v1/storyboards``: scenes that go on from one another, rendered for one price and fetched as one film."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tenancy
from accounts.caller import Caller
from accounts.roles import Action
from catalog.requests import Ask
from generation.api.base import VideoView, read, validate
from generation.api.presentation import OPENAI_STATUS
from generation.models import State
from generation.storage import joining
from generation.storyboards import keeping
from generation.storyboards.models import Storyboard
from generation.submission import idempotency, scene_renders, scenes
from generation.submission.scene_cards import Card, cards_of, first_stale, sum_of, with_prices
from loremotion import parameters
from loremotion.refusals import Conflict, Invalid

_SETTINGS: Final = ("model", "size", "preset", "seconds")


class SceneSerializer(serializers.Serializer[Any]):
    """One scene of a storyboard that is written."""

    id = serializers.CharField(required=False, max_length=20)
    prompt = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class StoryboardSerializer(serializers.Serializer[Any]):
    """The body that begins a storyboard, or changes one. What is in ``scenes`` is read one by one."""

    title = serializers.CharField()
    model = serializers.CharField(required=False, max_length=60)
    size = serializers.CharField(required=False, allow_null=True, max_length=12)
    preset = serializers.CharField(required=False, allow_null=True, max_length=40)
    seconds = serializers.FloatField(required=False, allow_null=True)
    scenes = serializers.ListField(required=False, allow_empty=False, max_length=keeping.MOST_SCENES)


class RenderSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/storyboards/{id}/render``."""

    only = serializers.CharField(required=False, max_length=20)
    since = serializers.CharField(required=False, max_length=20)
    max_credits = serializers.IntegerField(required=False, allow_null=True, min_value=0)


class Storyboards(VideoView):
    """``GET`` lists the workspace's, ``POST`` begins one."""

    def get(self, request: Request) -> Response:
        boards = Storyboard.objects.of(self.caller(Action.READ_CLIPS).workspace).prefetch_related("scenes")
        data = [_told(board) | {"num_scenes": len(board.scenes.all())} for board in boards]
        return Response({"object": "list", "data": data})

    def post(self, request: Request) -> Response:
        self.caller(Action.GENERATE)
        said = read(StoryboardSerializer, request)
        wanted = _scenes_in(said)
        settings = _settings_in(said, self.site_request, None)
        workspace, caller = tenancy.ensure(self.site_request, Action.GENERATE)
        with transaction.atomic():
            board = keeping.begin(workspace, title=said["title"], model=settings["model"])
            keeping.write(board, title=said["title"], prompts={}, **settings)
            if wanted:
                keeping.arrange(board, wanted)
        return _shown(self.site_request, caller, board.id)


class OneStoryboard(VideoView):
    """``GET`` says how it stands, ``POST`` changes it, ``DELETE`` deletes it. Its clips stay."""

    def get(self, request: Request, storyboard_id: UUID) -> Response:
        return _shown(self.site_request, self.caller(Action.READ_CLIPS), storyboard_id)

    def post(self, request: Request, storyboard_id: UUID) -> Response:
        caller = self.caller(Action.GENERATE)
        board = _own(caller, storyboard_id)
        said = read(StoryboardSerializer, request, partial=True)
        wanted, settings = _scenes_in(said), _settings_in(said, self.site_request, board)
        with transaction.atomic():
            keeping.write(board, title=said.get("title", board.title), prompts={}, **settings)
            if wanted:
                keeping.arrange(board, wanted)
        return _shown(self.site_request, caller, storyboard_id)

    def delete(self, request: Request, storyboard_id: UUID) -> Response:
        keeping.delete(_own(self.caller(Action.GENERATE), storyboard_id))
        return Response({"id": str(storyboard_id), "object": "storyboard.deleted", "deleted": True})


class RenderStoryboard(VideoView):
    """``POST`` renders what has to be rendered; with ``only`` that scene, with ``since`` that and those after it."""

    def post(self, request: Request, storyboard_id: UUID) -> Response:
        caller = self.caller(Action.GENERATE)
        board = _own(caller, storyboard_id)
        said = read(RenderSerializer, request)
        if "only" in said and "since" in said:
            raise Invalid(
                "repeated_field", "only and since are both there.", next_step="Send one of them.", field="only"
            )
        part = scene_renders.Part(said.get("only", said.get("since")), is_alone="only" in said)
        key = idempotency.read_sending(self.site_request).key
        made = scene_renders.render(
            self.site_request, caller, board, part, key=key, most_credits=said.get("max_credits")
        )
        answer = _shown(self.site_request, caller, storyboard_id)
        if made and made[0].is_repeated:
            answer["Idempotent-Replayed"] = "true"
        return answer


@csrf_exempt
@require_safe
def content(request: HttpRequest, storyboard_id: UUID) -> HttpResponseBase:
    """The scenes that are made, as one MP4. A plain view: DRF refuses what clients accept."""
    parameters.refuse_unknown(request.GET, set())
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    board = _own(caller, storyboard_id)
    clips = [card.clip for card in cards_of(board, caller) if card.is_made and card.clip is not None]
    if not joining.is_offered():
        raise Conflict("not_offered", "This site joins no clips.", next_step="Download them one by one.")
    if not clips:
        raise Conflict("not_made", "No scene is made yet.", next_step="Render them first.")
    response = joining.serve([clip.clip for clip in clips], reader=board.workspace_id)
    response["Cache-Control"] = "private, no-store"
    return response


def _own(caller: Caller, storyboard_id: UUID) -> Storyboard:
    return get_object_or_404(Storyboard.objects.of(caller.workspace), id=storyboard_id)


def _scenes_in(said: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
    read_one = (validate(SceneSerializer, one) for one in said.get("scenes", ()))
    return [(one.get("id"), one.get("prompt")) for one in read_one]


def _settings_in(said: Mapping[str, Any], request: HttpRequest, board: Storyboard | None) -> dict[str, Any]:
    """What all scenes have in common, as the storyboard keeps it.

    Raises:
        Refusal: no scene can be made so, or not by whoever asks.
    """
    before = {name: getattr(board, name) for name in _SETTINGS} if board is not None else {"model": "default"}
    wanted = {**before, **{name: said[name] for name in _SETTINGS if name in said}}
    if board is not None and wanted == before:
        return {}
    asked: dict[str, Any] = {name: value or None for name, value in wanted.items() if name != "model"}
    (offer,) = scenes.offers_of(request, [Ask(prompt="a scene", model=wanted["model"], **asked)], goes_on=False)
    kept = {"size": asked.get("size") or "", "preset": asked.get("preset") or "", "seconds": asked.get("seconds")}
    return {"model": offer.version.model.slug, **kept}


def _shown(request: HttpRequest, caller: Caller, storyboard_id: UUID) -> Response:
    board = _own(caller, storyboard_id)
    cards = with_prices(request, board, cards_of(board, caller))
    first = first_stale(cards)
    return Response(
        _told(board)
        | {
            "num_scenes": len(cards),
            "credits_to_render": 0 if first is None else sum_of(cards[first:]),
            "scenes": _scenes(cards),
        }
    )


def _told(board: Storyboard) -> dict[str, Any]:
    return {
        "id": str(board.id),
        "object": "storyboard",
        "title": board.title,
        "model": board.model,
        "size": board.size or None,
        "preset": board.preset or None,
        "seconds": board.seconds,
        "created_at": int(board.created_at.timestamp()),
    }


def _scenes(cards: Sequence[Card]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(card.scene.id),
            "prompt": card.scene.prompt,
            "video_id": str(card.clip.id) if card.clip is not None else None,
            "status": OPENAI_STATUS[State(card.clip.state)] if card.clip is not None else None,
            "why_to_render": card.stale or None,
            "credits": card.credits,
        }
        for card in cards
    ]
