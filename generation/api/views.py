"""The API under ``/v1/videos``: OpenAI's shape on the wire, ours under ``lm``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tenancy
from accounts.caller import Caller
from accounts.roles import Action
from catalog.requests import MAX_SEED, Ask
from generation.access import own_clip, own_generation
from generation.api import listing, presentation
from generation.api.base import VideoView, read
from generation.models import Generation
from generation.settlement import deletion, settle
from generation.storage import serving
from generation.submission import intake, privacy
from gpu_worker.families import ROLES, Kind
from loremotion.refusals import Invalid

MOST_LISTED = 100
CLIP_ROLES = tuple(name for name, role in ROLES.items() if role.kind in (Kind.CLIP, Kind.SOUND) or name == "mask")
"""What may also be named by the id of a clip of the caller's own."""
FILE_ROLES = ("input_reference", *(name for name in ROLES if name not in CLIP_ROLES))
CHANGE, CONTINUE = "restyle", "extend"
"""The modes behind OpenAI's edits and remixes, and behind its extensions."""
DEFAULT_ALIAS = "default"


class NumberField(serializers.FloatField):
    """A finite number; Python would take ``true`` for one."""

    default_error_messages = {"invalid": "write a number, such as 5."}

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class AskSerializer(serializers.Serializer[Ask]):
    """The body of ``POST /v1/videos``, as JSON or multipart. Shape only; the model decides what it can serve."""

    prompt = serializers.CharField(allow_blank=True, trim_whitespace=False)
    model = serializers.CharField(required=False, max_length=60)
    mode = serializers.CharField(required=False, allow_null=True, max_length=20)
    negative_prompt = serializers.CharField(default="", allow_blank=True)
    seconds = NumberField(required=False, allow_null=True)
    size = serializers.CharField(required=False, allow_null=True, max_length=12)
    preset = serializers.CharField(required=False, allow_null=True, max_length=40)
    steps = serializers.IntegerField(required=False, allow_null=True)
    private = serializers.BooleanField(required=False, allow_null=True)
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=MAX_SEED)


class ChangeSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/videos/{id}``."""

    private = serializers.BooleanField()


class AskView(VideoView):
    """A view whose ``POST`` asks for a clip."""

    def make(self, *, mode: str | None = None, source: str = "") -> Response:
        """Take the request. With ``source``, an own clip, it is made by that clip's model unless the body names
        another."""
        request = self.request
        asked = read(AskSerializer, request)
        is_private = asked.pop("private", None)
        files = {role: file for role, file in request.FILES.items() if isinstance(file, UploadedFile)}
        clips = {role: clip for role in CLIP_ROLES if (clip := _clip_id(request, role))}
        _refuse_files_by_value(request)
        if mode is not None:
            asked["mode"] = mode
        if source:
            clips["video"] = source
            asked["model"] = asked.get("model") or _model_of(self.caller(Action.GENERATE), source)
        ask = Ask(**{**asked, "model": asked.get("model") or DEFAULT_ALIAS})
        generation = intake.take(self.site_request, ask, files=files, clips=clips, is_private=is_private)
        return Response(presentation.just_taken(generation), headers={"openai-poll-after-ms": "2000"})


class Videos(AskView):
    """``POST`` makes a clip, ``GET`` lists the caller's."""

    def post(self, request: Request) -> Response:
        return self.make()

    def get(self, request: Request) -> Response:
        caller = self.caller(Action.READ_CLIPS)
        limit, is_ascending = _limit(request), _is_ascending(request)
        after = request.query_params.get("after")
        last = own_generation(caller, _uuid(after)) if after is not None else None
        found = listing.page(caller, limit=limit + 1, after=last, is_ascending=is_ascending)
        data = presentation.videos(found[:limit])
        return Response(
            {
                "object": "list",
                "data": data,
                "has_more": len(found) > limit,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
            }
        )


class Edits(AskView):
    """``POST`` makes a clip from a clip: the same movement, as the new prompt says."""

    def post(self, request: Request) -> Response:
        return self.make(mode=CHANGE, source=_clip_id(request, "video"))


class Extensions(AskView):
    """``POST`` makes what follows a clip."""

    def post(self, request: Request) -> Response:
        return self.make(mode=CONTINUE, source=_clip_id(request, "video"))


class Remix(AskView):
    """``POST`` makes a clip from the one that the address names, as the new prompt says."""

    def post(self, request: Request, generation_id: UUID) -> Response:
        own_generation(self.caller(Action.READ_CLIPS), generation_id)
        return self.make(mode=CHANGE, source=str(generation_id))


class Video(VideoView):
    """``GET`` says how one clip stands, ``POST`` changes who sees it, ``DELETE`` forgets all but its receipt."""

    def get(self, request: Request, generation_id: UUID) -> Response:
        generation = own_generation(self.caller(Action.READ_CLIPS), generation_id)
        return Response(presentation.video(generation), headers={"openai-poll-after-ms": "2000"})

    def post(self, request: Request, generation_id: UUID) -> Response:
        caller = self.caller(Action.GENERATE)
        generation = own_generation(caller, generation_id)
        is_private = read(ChangeSerializer, request)["private"]
        privacy.change(generation, caller=caller, is_private=is_private)
        return Response(presentation.video(own_generation(self.caller(Action.READ_CLIPS), generation_id)))

    def delete(self, request: Request, generation_id: UUID) -> Response:
        deletion.delete(own_generation(self.caller(Action.GENERATE), generation_id))
        return Response({"id": str(generation_id), "object": "video.deleted", "deleted": True})


class CancelVideo(VideoView):
    """``POST`` stops one clip: in full while it waits, at the next step while it runs."""

    def post(self, request: Request, generation_id: UUID) -> Response:
        settle.cancel(own_generation(self.caller(Action.GENERATE), generation_id))
        return Response(presentation.video(own_generation(self.caller(Action.READ_CLIPS), generation_id)))


@require_safe
def content(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """The bytes: ``variant=video`` (default) or ``thumbnail``. A plain view: DRF refuses what clients accept."""
    own = own_clip(tenancy.caller_for(request, Action.READ_CLIPS), generation_id)
    if request.GET.get("variant") == "thumbnail":
        return serving.ranged(request, own.poster_key, "image/jpeg", reader=own.generation.workspace_id)
    return serving.ranged(request, own.key, "video/mp4", reader=own.generation.workspace_id)


def _model_of(caller: Caller, generation_id: str) -> str | None:
    own = Generation.objects.seen_by(caller)
    try:
        return own.values_list("version__model__slug", flat=True).filter(id=UUID(generation_id)).first()
    except ValueError:
        return None  # what is wrong with it, whoever opens the clip says


def _clip_id(request: Request, role: str) -> str:
    """An own clip as ``"video": "<id>"``, ``"video": {"id": "<id>"}``, or multipart ``video[id]``."""
    body = cast(Mapping[str, Any], request.data)  # the serializer has refused anything else
    said = body.get(role) or body.get(f"{role}[id]") or ""
    clip = said.get("id") if isinstance(said, dict) else said
    if isinstance(clip, UploadedFile):
        return ""
    if not isinstance(clip, str):
        raise Invalid(f"invalid_{role}", f"{role} is the id of a clip of yours.", field=role)
    return clip


def _refuse_files_by_value(request: Request) -> None:
    """What is left out in silence would be paid for and not be what was asked for."""
    body = cast(Mapping[str, Any], request.data)
    for role in FILE_ROLES:
        if body.get(role) and not isinstance(body[role], UploadedFile):
            raise Invalid(
                f"invalid_{role}",
                f"{role} is a file.",
                next_step="Send the request as multipart/form-data.",
                field=role,
            )


def _limit(request: Request) -> int:
    text: Any = request.query_params.get("limit", "20")
    if not text.isdecimal() or len(text) > 3 or not 1 <= int(text) <= MOST_LISTED:
        raise Invalid("invalid_limit", f"limit is a whole number from 1 to {MOST_LISTED}.", field="limit")
    return int(text)


def _is_ascending(request: Request) -> bool:
    order = request.query_params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise Invalid("invalid_order", "order is asc or desc.", field="order")
    return bool(order == "asc")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("invalid_after", "after is the id of a video.", field="after") from None
