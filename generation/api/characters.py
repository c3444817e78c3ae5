"""``/v1/videos/characters``: who or what clips show again and again, by pictures that are sent once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.caller import Caller
from accounts.roles import Action
from generation.api.base import VideoView, read
from generation.api.serializers import InputField
from generation.characters import keeping
from generation.characters.models import Character
from generation.submission import characters, remote_files
from loremotion.refusals import Invalid


class VideoField(serializers.Field[Any, Any, Any, Any]):
    """OpenAI's ``video``, of which no character is made here."""

    def to_internal_value(self, said: Any) -> None:
        raise Invalid(
            "no_videos",
            "A character is made of pictures here, and not of a video.",
            next_step=f"Send 1 to 3 of its pictures as {', '.join(characters.REFERENCES)}.",
            field=str(self.field_name),
        )


class CharacterSerializer(serializers.Serializer[Any]):
    """The body that makes a character."""

    ALSO_CALLED: ClassVar[Mapping[str, str]] = {"image": characters.REFERENCES[0], "images": characters.REFERENCES[0]}
    name = serializers.CharField(trim_whitespace=False)
    reference_image = InputField(takes_clips=False)
    reference_image_2 = InputField(takes_clips=False)
    reference_image_3 = InputField(takes_clips=False)
    video = VideoField(required=False)


class RenameSerializer(serializers.Serializer[Any]):
    """The body that gives a character another name."""

    name = serializers.CharField(trim_whitespace=False)


class Characters(VideoView):
    """``GET`` lists the workspace's, ``POST`` makes one."""

    def get(self, request: Request) -> Response:
        found = Character.objects.of(self.caller(Action.READ_CLIPS).workspace).defer("preview")
        return Response({"object": "list", "data": [_told(one) for one in found]})

    def post(self, request: Request) -> Response:
        self.caller(Action.GENERATE)
        said = read(CharacterSerializer, request)
        given = {role: said[role] for role in characters.REFERENCES if said.get(role)}
        files = {role: one for role, one in given.items() if isinstance(one, UploadedFile)}
        texts = {role: one for role, one in given.items() if isinstance(one, str)}
        files |= {role: remote_files.spelled_out(role, one) for role, one in texts.items() if remote_files.is_data(one)}
        addresses = {role: one for role, one in texts.items() if remote_files.is_address(one)}
        made = characters.create(self.site_request, name=said["name"], files=files, addresses=addresses)
        return Response(_told(made))


class OneCharacter(VideoView):
    """``GET`` shows it, ``POST`` names it anew, ``DELETE`` deletes it. Clips that show it stay."""

    def get(self, request: Request, character_id: UUID) -> Response:
        return Response(_told(_own(self.caller(Action.READ_CLIPS), character_id)))

    def post(self, request: Request, character_id: UUID) -> Response:
        caller = self.caller(Action.GENERATE)
        one = _own(caller, character_id)
        characters.rename(one, name=read(RenameSerializer, request)["name"])
        return Response(_told(_own(caller, character_id)))

    def delete(self, request: Request, character_id: UUID) -> Response:
        keeping.delete(_own(self.caller(Action.GENERATE), character_id))
        return Response({"id": str(character_id), "object": "character.deleted", "deleted": True})


def _own(caller: Caller, character_id: UUID) -> Character:
    return get_object_or_404(Character.objects.of(caller.workspace).select_related("workspace"), id=character_id)


def _told(one: Character) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "object": "character",
        "name": one.name,
        "num_pictures": len(one.keys),
        "created_at": int(one.created_at.timestamp()),
    }
