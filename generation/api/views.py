"""The API under ``/v1/videos``: OpenAI's shape on the wire, ours under ``lm``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import tenancy
from accounts.authentication import CallerAuthentication
from accounts.roles import Action
from catalog.requests import MAX_SEED, Ask
from generation.api import listing, presentation
from generation.models import Generation
from generation.pages.views import own_generation
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


class AskSerializer(serializers.Serializer[Ask]):
    """The body of ``POST /v1/videos``, as JSON or multipart. Shape only; the model decides what it can serve."""

    prompt = serializers.CharField(allow_blank=True, trim_whitespace=False)
    model = serializers.CharField(required=False, max_length=60)
    mode = serializers.CharField(required=False, allow_null=True, max_length=20)
    negative_prompt = serializers.CharField(default="", allow_blank=True)
    seconds = serializers.FloatField(required=False, allow_null=True)
    size = serializers.CharField(required=False, allow_null=True, max_length=12)
    preset = serializers.CharField(required=False, allow_null=True, max_length=40)
    steps = serializers.IntegerField(required=False, allow_null=True)
    private = serializers.BooleanField(required=False, allow_null=True)
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=MAX_SEED)


class ChangeSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/videos/{id}``."""

    private = serializers.BooleanField()


class ShallowJsonParser(JSONParser):
    """JSON that is nested too deeply to be read is bad input, not our failure."""

    def parse(self, stream: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(stream, *args, **kwargs)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


class VideoView(APIView):
    """Callers are known by API key, or by the cookies of the site."""

    parser_classes = [ShallowJsonParser, MultiPartParser, FormParser]
    authentication_classes = [CallerAuthentication]


class Videos(VideoView):
    """``POST`` makes a clip, ``GET`` lists the caller's."""

    def post(self, request: Request) -> Response:
        return _make(request)

    def get(self, request: Request) -> Response:
        caller = tenancy.caller_for(request._request, Action.READ_CLIPS)
        limit, is_ascending = _limit(request), _is_ascending(request)
        after = request.query_params.get("after")
        last = own_generation(request._request, _uuid(after)) if after is not None else None
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


class Edits(VideoView):
    """``POST`` makes a clip from a clip: the same movement, as the new prompt says."""

    def post(self, request: Request) -> Response:
        return _make(request, mode=CHANGE, source=_clip_id(request, "video"))


class Extensions(VideoView):
    """``POST`` makes what follows a clip."""

    def post(self, request: Request) -> Response:
        return _make(request, mode=CONTINUE, source=_clip_id(request, "video"))


class Remix(VideoView):
    """``POST`` makes a clip from the one that the address names, as the new prompt says."""

    def post(self, request: Request, generation_id: UUID) -> Response:
        own_generation(request._request, generation_id)
        return _make(request, mode=CHANGE, source=str(generation_id))


class Video(VideoView):
    """``GET`` says how one clip stands, ``POST`` changes who sees it, ``DELETE`` forgets all but its receipt."""

    def get(self, request: Request, generation_id: UUID) -> Response:
        generation = own_generation(request._request, generation_id)
        return Response(presentation.video(generation), headers={"openai-poll-after-ms": "2000"})

    def post(self, request: Request, generation_id: UUID) -> Response:
        generation = own_generation(request._request, generation_id, Action.GENERATE)
        is_private = read(ChangeSerializer, request)["private"]
        privacy.change(generation, caller=tenancy.caller_of(request._request), is_private=is_private)
        return Response(presentation.video(own_generation(request._request, generation_id)))

    def delete(self, request: Request, generation_id: UUID) -> Response:
        deletion.delete(own_generation(request._request, generation_id, Action.GENERATE))
        return Response({"id": str(generation_id), "object": "video.deleted", "deleted": True})


class CancelVideo(VideoView):
    """``POST`` stops one clip: in full while it waits, at the next step while it runs."""

    def post(self, request: Request, generation_id: UUID) -> Response:
        settle.cancel(own_generation(request._request, generation_id, Action.GENERATE))
        return Response(presentation.video(own_generation(request._request, generation_id)))


@require_safe
def content(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """The bytes: ``variant=video`` (default) or ``thumbnail``. A plain view: DRF refuses what clients accept."""
    own = serving.own_clip(request, generation_id)
    if request.GET.get("variant") == "thumbnail":
        return serving.ranged(request, own.poster_key, "image/jpeg")
    return serving.ranged(request, own.key, "video/mp4")


def read(serializer: type[serializers.Serializer[Any]], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The body, checked for shape.

    Raises:
        Invalid: names the field.
    """
    body = serializer(data=request.data, partial=partial)
    if not body.is_valid():
        field, problems = next(iter(body.errors.items()))
        raise Invalid(f"invalid_{field}", f"{field}: {_first(problems)}", field=field)
    return dict(body.validated_data)


def _first(problems: Any) -> Any:
    while isinstance(problems, (list, dict)):
        problems = next(iter(problems.values() if isinstance(problems, dict) else problems))
    return problems


def _make(request: Request, *, mode: str | None = None, source: str = "") -> Response:
    """Take the request. With ``source``, an own clip, it is made by that clip's model unless the body names another."""
    asked = read(AskSerializer, request)
    is_private = asked.pop("private", None)
    files = {role: file for role, file in request.FILES.items() if isinstance(file, UploadedFile)}
    clips = {role: clip for role in CLIP_ROLES if (clip := _clip_id(request, role))}
    _refuse_files_by_value(request)
    if mode is not None:
        asked["mode"] = mode
    if source:
        clips["video"] = source
        asked["model"] = asked.get("model") or _model_of(request, source)
    ask = Ask(**{**asked, "model": asked.get("model") or DEFAULT_ALIAS})
    generation = intake.take(request._request, ask, files=files, clips=clips, is_private=is_private)
    return Response(presentation.just_taken(generation), headers={"openai-poll-after-ms": "2000"})


def _model_of(request: Request, generation_id: str) -> str | None:
    own = Generation.objects.seen_by(tenancy.caller_for(request._request, Action.GENERATE))
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
