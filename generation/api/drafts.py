"""Drafts on the API: what is told of one, and ``POST /v1/videos/{id}/finish``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.caller import Caller
from accounts.roles import Action
from generation.access import own_generation
from generation.api import presentation
from generation.api.base import VideoView, read
from generation.drafts.models import draft_of
from generation.models import Generation
from generation.submission import finishing


class FinishSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/videos/{id}/finish``."""

    max_credits = serializers.IntegerField(required=False, allow_null=True, min_value=0)


class FinishVideo(VideoView):
    """``POST`` makes the whole clip of a draft, for what it costs more. Asked again, it answers with the same clip."""

    def post(self, request: Request, generation_id: UUID) -> Response:
        draft = own_generation(self.caller(Action.GENERATE), generation_id)
        most_credits = read(FinishSerializer, request).get("max_credits")
        made = finishing.finish(self.site_request, draft, most_credits=most_credits)
        answer = Response(presentation.just_taken(made))
        if made.is_repeated:
            answer["Idempotent-Replayed"] = "true"
        return answer


def told_of(generation: Generation, caller: Caller) -> dict[str, Any] | None:
    """What a clip is a draft of, what finishing it costs, and which clip that made, where the caller sees it; None of
    what is no draft."""
    note = draft_of(generation)
    if note is None or note.generation_id != generation.id:
        return None
    offered, final = finishing.offer_of(note), finishing.final_of(note, caller)
    return {
        "preset": note.final_preset,
        "steps": note.final_steps,
        "credits_to_finish": offered.credits if offered is not None else None,
        "until": int(offered.until.timestamp()) if offered is not None else None,
        "final_id": str(final.id) if final is not None else None,
    }
