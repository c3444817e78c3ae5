"""The API of a clip's link: ``/v1/videos/{id}/share``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.roles import Action
from generation.access import own_generation
from generation.api.base import VideoView, read
from generation.notices import likeness
from generation.sharing import links


class ShareSerializer(serializers.Serializer[Any]):
    """What the link shows beside the clip."""

    prompt = serializers.BooleanField(default=False)
    indexed = serializers.BooleanField(default=False)


class Sharing(VideoView):
    """``POST`` makes the clip's link or changes what it shows, ``DELETE`` revokes it."""

    def post(self, request: Request, generation_id: UUID) -> Response:
        caller = self.caller(Action.GENERATE)
        generation, shown = own_generation(caller, generation_id), read(ShareSerializer, request)
        link = likeness.share(generation, caller=caller, shows_prompt=shown["prompt"], is_indexed=shown["indexed"])
        return Response(
            {
                "object": "video.share",
                "video_id": str(generation_id),
                "url": links.address(link.token),
                "embed_url": links.embed_address(link.token),
                "prompt": link.shows_prompt,
                "indexed": link.is_indexed,
                "created_at": int(link.created_at.timestamp()),
            }
        )

    def delete(self, request: Request, generation_id: UUID) -> Response:
        caller = self.caller(Action.GENERATE)
        links.revoke(own_generation(caller, generation_id), caller=caller)
        return Response({"video_id": str(generation_id), "object": "video.share.deleted", "deleted": True})
