"""Where a workspace's credits went: one page, drawn from what ``GET /v1/usage`` answers with."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import tenancy
from accounts.roles import Action
from generation import usage


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    tenancy.workspace_of(request, Action.READ_CREDITS)
    caller = tenancy.caller_of(request)
    span = usage.span_of(request.GET.get("since", ""), request.GET.get("until", ""))
    found = usage.usage_of(caller, span, usage.groups_of(request.GET.getlist("by")))
    asked = {"since": span.since, "until": span.until, "by": ",".join(found.by), "format": "csv"}
    context = {
        "workspace": caller.workspace,
        "usage": found,
        "is_whole": caller.may(Action.READ_PAYMENTS),
        "groups": usage.GROUPS,
        "most": max((line.spent.charged + line.spent.held for line in found.lines), default=0) or 1,
        "csv": f"{reverse('generation:api-usage')}?{urlencode(asked)}",
    }
    return render(request, "generation/usage.html", context)
