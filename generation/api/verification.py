"""``POST /v1/verify``: where a file comes from, as the page ``/verify/`` says it."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, time
from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api.base import VideoView, read
from generation.provenance import inspection
from generation.provenance.inspection import Credentials, Inspection, Origin
from generation.provenance.inspection_slots import slot_for

PROVES: Final = (
    "Intact credentials prove that whoever signed the file said this of it, and that nobody has changed it since. What "
    "isn't found proves nothing: most programs and messengers remove marks."
)


class FileToVerify(serializers.Serializer[Any]):
    """The body of ``POST /v1/verify``."""

    file = serializers.FileField(max_length=None)


class Verify(VideoView):
    """Any key may ask: nothing is told of whose a clip is. Nothing of the file is kept."""

    def post(self, request: Request) -> Response:
        said = read(FileToVerify, request)
        with slot_for(self.site_request):
            found = inspection.inspect(said["file"])
        return Response(_verification(found))


def _verification(found: Inspection) -> dict[str, Any]:
    return {
        "object": "verification",
        "credentials": _credentials(found.credentials) | {"state": _state(found)},
        "record": _record(found.origin),
        "lost_credentials": b64encode(found.manifest).decode() or None,
        "proves": PROVES,
    }


def _state(found: Inspection) -> str:
    if found.is_damaged:
        return "unreadable"
    if found.credentials is None:
        return "none"
    if not found.credentials.is_intact:
        return "broken"
    return "trusted" if found.credentials.state == "Trusted" else "unknown_signer"


def _credentials(it: Credentials | None) -> dict[str, Any]:
    """Of broken ones nothing is repeated: it may be anybody's words."""
    if it is None or not it.is_intact:
        return dict.fromkeys(("is_ours", "signed_by", "signed_at", "made_with", "is_ai_generated", "made_from"))
    return {
        "is_ours": it.is_ours,
        "signed_by": it.signed_by or None,
        "signed_at": it.signed_at or None,
        "made_with": it.made_with or None,
        "is_ai_generated": it.says_a_model_made_it,
        "made_from": list(it.ingredients),
    }


def _record(origin: Origin | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    day = datetime.combine(origin.made_on, time.min, UTC)
    return {"known_by": origin.known_by, "model": origin.model, "created_at": int(day.timestamp())}
