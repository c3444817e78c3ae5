"""The API under ``/v1/videos``: OpenAI's shape on the wire, ours under ``lm``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.roles import Action
from catalog.models import Model
from catalog.requests import Ask
from generation.access import own_clip, own_generation
from generation.api import listing, presentation, waiting
from generation.api.asked import DEFAULT_ALIAS, asked_in, by_their_names
from generation.api.base import Nothing, VideoView, read
from generation.api.make_all import make_all
from generation.api.serializers import LONGEST_USER_REF, AskSerializer, FromVideoSerializer, RemixSerializer
from generation.models import Generation, State
from generation.scheduling import capacity, forecast_board, places
from generation.scheduling.prospect import wait_before_asking
from generation.settlement import deletion, settle
from generation.storage import conversions, serving, spritesheets
from generation.submission import batch, finishing, intake, privacy, retries
from generation.submission.wanted import Start, Wanted, takes_of
from loremotion import parameters
from loremotion.refusals import Conflict, Invalid

MOST_LISTED = 100
VARIANTS = ("video", "thumbnail")
OF_A_SHEET = ("spritesheet", "spritesheet_vtt")
"""Variants that take what ``conversions`` needs."""
CHANGE, CONTINUE = "restyle", "extend"
"""The modes behind OpenAI's edits and remixes, and behind its extensions."""
EDIT_ALIAS = "edit"
"""The model of whoever names none, where a clip is to be changed and the model that made it cannot."""
POLL_AFTER_SECONDS = (2.0, 30.0)
"""Shortest and longest pause that is advised between two looks at a clip."""


class ChangeSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/videos/{id}``."""

    private = serializers.BooleanField()


class AskView(VideoView):
    """A view whose ``POST`` asks for a clip."""

    def make(
        self, body: type[AskSerializer] = AskSerializer, *, mode: str | None = None, source: str | None = None
    ) -> HttpResponseBase:
        """Take the request. What begins with an own clip, ``source`` or the body's, and has a ``mode`` of its own is
        made by that clip's model unless the body names another."""
        caller = self.caller(Action.GENERATE)  # before its body is judged: whose key does not hold learns nothing else
        said, files, clips, addresses, carries = asked_in(read(body, self.request), caller)
        is_private, user_ref = said.pop("private", None), said.pop("user_ref", None) or ""
        most_credits, times = said.pop("max_credits", None), said.pop("n", None) or 1
        is_draft = bool(said.pop("draft", None))
        if source is not None:
            clips["video"] = source
        if mode is not None:
            said["mode"] = mode
            if "video" in clips and not said.get("model"):
                said["model"] = _model_of(caller, clips["video"], mode=mode)
        ask = Ask(**{**said, "model": said.get("model") or DEFAULT_ALIAS})
        named = {**files, **addresses}
        start = Start(files, clips, addresses, carries)
        takes = [Wanted(one, start, is_private, user_ref, is_draft) for one in takes_of(ask, times)]
        if times > 1:
            with by_their_names(named, mode):
                return make_all(self.site_request, takes, most_credits=most_credits)
        with capacity.asked_once(forecast_board.send), places.looked_once(), by_their_names(named, mode):
            own: Any = {"is_private": is_private, "user_ref": user_ref, "most_credits": most_credits}
            own["carries_credentials"] = carries
            if is_draft:
                (generation,) = batch.take_all(self.site_request, takes, most_credits=most_credits)
            else:
                generation = intake.take(self.site_request, ask, files=files, clips=clips, addresses=addresses, **own)
            answer = _as_it_stands(presentation.just_taken(generation))
        if generation.is_repeated:
            answer["Idempotent-Replayed"] = "true"
        return waiting.until_ended(self.site_request, generation, answer)


class Videos(AskView):
    """``POST`` makes a clip, ``GET`` lists the caller's."""

    PARAMETERS = parameters.PAGE | {"user_ref"}

    def post(self, request: Request) -> HttpResponseBase:
        return self.make()

    def get(self, request: Request) -> Response:
        caller = self.caller(Action.READ_CLIPS)
        limit, is_ascending = _limit(request), _is_ascending(request)
        after = request.query_params.get("after")
        last, only = _uuid(after) if after is not None else None, _of_ref(request)
        found = listing.page(caller, limit=limit + 1, after=last, is_ascending=is_ascending, only=only)
        retries.note_read(found[:limit])
        data = presentation.videos(found[:limit])
        return Response(presentation.page(data, has_more=len(found) > limit))


class Quotes(VideoView):
    """``POST`` says what a clip would cost and when it would be ready, and makes nothing. Nor is anything
    fetched, which whoever cannot pay could have us do."""

    def post(self, request: Request) -> Response:
        caller = tenancy.caller_of(self.site_request)
        said, files, clips, addresses, _ = asked_in(read(AskSerializer, request), caller)
        most_credits, times = said.pop("max_credits", None), said.pop("n", None) or 1
        is_draft = bool(said.pop("draft", None))
        for name in ("private", "user_ref"):
            said.pop(name, None)
        if clips:
            caller = self.caller(Action.READ_CLIPS)
        ask = Ask(**{**said, "model": said.get("model") or DEFAULT_ALIAS})
        sound = intake.look_at(self.site_request, caller, ask, files=files, clips=clips, addresses=addresses)
        offer = finishing.draft(ask, sound.offer) if is_draft else sound.offer
        intake.refuse_dear(times * offer.quote.credits, most_credits=most_credits)
        network = networks.fingerprint_of(self.site_request)
        wait = wait_before_asking(offer, caller.workspace, may=sound.may, network=network)
        quoted = presentation.quote(offer, wait, times=times)
        if is_draft:
            quoted["to_finish"] = finishing.difference(sound.offer.quote.credits, paid=offer.quote.credits)
        return Response(quoted)


class Edits(AskView):
    """``POST`` makes a clip from a clip: the same movement, as the new prompt says."""

    def post(self, request: Request) -> HttpResponseBase:
        return self.make(FromVideoSerializer, mode=CHANGE)


class Extensions(AskView):
    """``POST`` makes what follows a clip."""

    def post(self, request: Request) -> HttpResponseBase:
        return self.make(FromVideoSerializer, mode=CONTINUE)


class Remix(AskView):
    """``POST`` makes a clip from the one that the address names, as the new prompt says."""

    def post(self, request: Request, generation_id: UUID) -> HttpResponseBase:
        own_generation(self.caller(Action.READ_CLIPS), generation_id)
        return self.make(RemixSerializer, mode=CHANGE, source=str(generation_id))


class Video(VideoView):
    """``GET`` says how one clip stands, ``POST`` changes who sees it, ``DELETE`` forgets all but its receipt."""

    def get(self, request: Request, generation_id: UUID) -> HttpResponseBase:
        generation = own_generation(caller := self.caller(Action.READ_CLIPS), generation_id)
        retries.note_read([generation])
        answer = _as_it_stands(presentation.video(generation, caller))
        return waiting.until_ended(self.site_request, generation, answer)

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
        generation = own_generation(self.caller(Action.GENERATE), generation_id)
        read(Nothing, request)
        settle.cancel(generation)
        return Response(presentation.video(own_generation(self.caller(Action.READ_CLIPS), generation_id)))


@csrf_exempt
@require_safe
def content(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """The bytes: ``variant=video`` (default), ``thumbnail``, or a sheet of stills and its track. A plain view: DRF
    refuses what clients accept."""
    parameters.refuse_unknown(request.GET, {"variant"})
    variant = request.GET.get("variant", VARIANTS[0])
    variants = (*VARIANTS, *(OF_A_SHEET if conversions.is_offered() else ()))
    if variant not in variants:
        raise Invalid(
            "invalid_variant",
            f"There is no variant {variant[:60]!r} of a clip.",
            next_step=f"Choose one of: {', '.join(variants)}.",
            field="variant",
        )
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    if (generation := own_generation(caller, generation_id)).state != State.SUCCEEDED:
        raise _not_made(generation)
    own = own_clip(caller, generation_id)
    if variant == "thumbnail":
        return serving.serve_poster(request, own)
    if variant == "spritesheet":
        return serving.serve_converted(request, own, spritesheets.SUFFIX)
    if variant == "spritesheet_vtt":
        track = spritesheets.track(own, picture="content?variant=spritesheet")
        return HttpResponse(track, content_type="text/vtt; charset=utf-8")
    return serving.serve_clip(request, own)


def _not_made(generation: Generation) -> Conflict:
    """The refusal of a file that is not there yet, or will never be."""
    if generation.is_open:
        return Conflict(
            "not_ready",
            "The clip is not ready yet.",
            next_step=f"Ask again when GET /v1/videos/{generation.id} says so.",
        )
    return Conflict("not_made", f"There is no clip to download: it was {generation.state}.")


def _as_it_stands(video: dict[str, Any]) -> Response:
    """The Video, and when to look again: soon while it is made, and the later the deeper it is in the queue."""
    shortest, longest = POLL_AFTER_SECONDS
    soonest = (video["lm"].get("queue", {}).get("eta_seconds") or [0.0])[0] if video["status"] == "queued" else 0.0
    pause = min(longest, max(shortest, soonest / 4))
    return Response(video, headers={"openai-poll-after-ms": str(round(1000 * pause))})


def _model_of(caller: Caller, generation_id: str, *, mode: str) -> str | None:
    """The model that made the clip; where it cannot do ``mode``, the one that an alias names for that."""
    own = Generation.objects.seen_by(caller).select_related("version__model__current")
    try:
        made = own.filter(id=UUID(generation_id)).first()
    except ValueError:
        made = None
    if made is None:
        return None  # what is wrong with it, whoever opens the clip says
    model = made.version.model
    is_able = model.is_enabled and model.current is not None and mode in model.current.modes
    if is_able or mode != CHANGE or not Model.objects.enabled().filter(aliases__name=EDIT_ALIAS).exists():
        return model.slug
    return EDIT_ALIAS


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


def _of_ref(request: Request) -> Q:
    """The clips of one ``user_ref``, where one is asked for. An empty one would mean all of them to whoever forgot it.

    Raises:
        Invalid: it is empty, or longer than any.
    """
    ref = request.query_params.get("user_ref")
    if ref is None:
        return Q()
    ref = ref.strip()  # as a clip's own is
    if not ref or len(ref) > LONGEST_USER_REF or "\0" in ref:
        raise Invalid(
            "invalid_user_ref",
            f"user_ref is a text of 1 to {LONGEST_USER_REF} characters.",
            next_step="Leave it out to list every clip.",
            field="user_ref",
        )
    return Q(user_ref=ref) & ~Q(user_ref="")  # the second is the index's own condition


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("invalid_after", "after is the id of a video.", field="after") from None
