"""Drafts on the API: ``POST /v1/videos/{id}/finish``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Action
from generation.access import own_generation
from generation.api import presentation
from generation.api.base import VideoView, read
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
