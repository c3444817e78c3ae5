"""Several clips by one request: ``n`` takes of one, or many that differ. All are made and held for, or none is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.caller import Caller
from accounts.roles import Action
from catalog.requests import Ask
from generation.api.asked import DEFAULT_ALIAS, asked_in, characters_in
from generation.api.base import VideoView, read, validate
from generation.api.make_all import make_all
from generation.api.serializers import REFERENCE, AskInBatchSerializer
from generation.submission import batch, remote_files
from generation.submission.wanted import Start, Wanted
from gpu_worker.families import ROLES
from loremotion.refusals import Invalid, Refusal

MOST_FILES = 8
"""Files that the clips of one batch name, by an address or spelled out: each is read before anything is held."""


class BatchSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/videos/batches``. What is in ``videos`` is read one by one."""

    videos = serializers.ListField(allow_empty=False, max_length=batch.MOST_CLIPS)
    max_credits = serializers.IntegerField(required=False, allow_null=True, min_value=0)


class Batches(VideoView):
    """``POST`` makes several clips that may differ in everything."""

    def post(self, request: Request) -> Response:
        caller = self.caller(Action.GENERATE)
        said = read(BatchSerializer, request)
        wanted = _wanted(said["videos"], caller)
        return make_all(self.site_request, wanted, most_credits=said.get("max_credits"))


def _wanted(bodies: Sequence[Any], caller: Caller) -> list[Wanted]:
    asked = [_checked(place, body) for place, body in enumerate(bodies)]
    inputs = [{name: said[name] for name in (*ROLES, REFERENCE) if said.get(name)} for said in asked]
    if len({one for given in inputs for one in given.values() if remote_files.is_named(one)}) > MOST_FILES:
        raise Invalid(
            "too_many_files",
            f"The clips start from more than {MOST_FILES} files.",
            next_step="Ask for them in several batches, or one by one.",
            field="videos",
        )
    starts: dict[tuple[bool, tuple[str, ...], tuple[tuple[str, str], ...]], Start] = {}
    wanted = []
    for place, (said, given) in enumerate(zip(asked, inputs, strict=True)):
        try:
            cast = characters_in(said)
            said, files, clips, addresses, carries = asked_in(said, caller)
        except Refusal as refusal:
            raise _of(place, refusal) from None
        alike = carries, cast, tuple(sorted(given.items()))
        start = starts.setdefault(alike, Start(files, clips, addresses, carries))
        is_private, user_ref = said.pop("private", None), said.pop("user_ref", None) or ""
        is_draft = bool(said.pop("draft", None))
        ask = Ask(**{**said, "model": said.get("model") or DEFAULT_ALIAS})
        wanted.append(Wanted(ask, start, is_private, user_ref, is_draft))
    return wanted


def _checked(place: int, body: Any) -> dict[str, Any]:
    try:
        return validate(AskInBatchSerializer, body)
    except Refusal as refusal:
        raise _of(place, refusal) from None


def _of(place: int, refusal: Refusal) -> Refusal:
    """``refusal``, which says in which of ``videos`` it is."""
    refusal.message = f"Clip {place + 1}: {refusal.message}"
    refusal.field = f"videos[{place}].{refusal.field}" if refusal.field else f"videos[{place}]"
    return refusal
