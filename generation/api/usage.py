"""``GET /v1/usage``: what was spent, by day, model, key or member."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tenancy
from generation import usage
from generation.api.base import VideoView
from loremotion.refusals import Invalid

FORMATS = ("json", "csv")


class UsageView(VideoView):
    """Any key may ask, whatever it is good for: without the right to see payments it is told of itself."""

    PARAMETERS = frozenset({"since", "until", "by", "format"})

    def get(self, request: Request) -> HttpResponseBase:
        caller = tenancy.caller_of(self.site_request)
        tenancy.refuse_nobody(self.site_request, caller)
        said = self.site_request.GET
        wanted = said.get("format", FORMATS[0])
        if wanted not in FORMATS:
            raise Invalid("invalid_format", f"format is one of: {', '.join(FORMATS)}.", field="format")
        span = usage.span_of(said.get("since", ""), said.get("until", ""))
        found = usage.usage_of(caller, span, usage.groups_of(said.get("by", "").split(",")))
        if wanted == "json":
            return Response(found.to_json())
        answer = HttpResponse("".join(found.to_csv()), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="usage-{span.since}-{span.until}.csv"'
        return answer
