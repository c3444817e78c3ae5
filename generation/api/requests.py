"""``/v1/requests``: what a key asked last, for whoever looks for what their program does."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import request_log, tenancy
from accounts.request_log import Entry
from generation.api.base import VideoView
from loremotion.refusals import Forbidden


class Requests(VideoView):
    """Any key may ask, whatever it is good for: it is told of its own requests."""

    def get(self, request: Request) -> Response:
        key = tenancy.caller_of(self.site_request).key
        if key is None:
            raise Forbidden("no_key", "Only the requests of an API key are kept.", next_step="Ask with a key.")
        return Response({"object": "list", "data": [_shown(entry) for entry in request_log.last_requests(key)]})


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "object": "request",
        "created_at": int(entry.at),
        "method": entry.method,
        "path": entry.path,
        "status": entry.status,
        "code": entry.code or None,
        "request_id": entry.request_id,
        "milliseconds": entry.milliseconds,
    }
