"""Where a workspace's credits went: one page, drawn from what ``GET /v1/usage`` answers with."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import audit, tenancy
from accounts.roles import Action
from billing.shop import budgets
from generation import usage
from generation.pages.model_limits_form import ModelLimitsForm


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    tenancy.workspace_of(request, Action.READ_CREDITS)
    caller = tenancy.caller_of(request)
    span = usage.span_of(request.GET.get("since", ""), request.GET.get("until", ""))
    found = usage.usage_of(caller, span, usage.groups_of(request.GET.getlist("by")))
    asked = {"since": span.since, "until": span.until, "by": ",".join(found.by), "format": "csv"}
    context: dict[str, Any] = {
        "workspace": caller.workspace,
        "usage": found,
        "is_whole": caller.may(Action.READ_PAYMENTS),
        "groups": usage.GROUPS,
        "most": max((line.spent.charged + line.spent.held for line in found.lines), default=0) or 1,
        "csv": f"{reverse('generation:api-usage')}?{urlencode(asked)}",
    }
    if caller.workspace is not None and not caller.workspace.is_visitor and caller.may(Action.PAY):
        context["model_limits"] = ModelLimitsForm(workspace=caller.workspace)
    return render(request, "generation/usage.html", context)


@require_POST
def set_model_limits(request: HttpRequest) -> HttpResponse:
    """Save what may be spent on each model."""
    caller = tenancy.caller_for(request, Action.PAY)
    workspace, _ = tenancy.ensure(request, Action.PAY)
    form = ModelLimitsForm(request.POST, workspace=workspace)
    if not form.is_valid():
        name, problems = next(iter(form.errors.items()))
        messages.error(request, f"{form.fields[name].label}: {problems[0]}")
        return redirect("generation:usage")
    caps = form.caps()
    budgets.set_caps_by_item(workspace.id, caps)
    audit.record(workspace, "budget.changed", actor=caller.name, request=request, by_model=caps)
    messages.success(request, "Your limits are saved.")
    return redirect("generation:usage")
