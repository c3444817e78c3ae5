"""Where a workspace's credits went: one page, drawn from what ``GET /v1/usage`` answers with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts import audit, tenancy
from accounts.caller import Caller
from accounts.roles import Action
from billing.shop import budgets
from generation import spending, usage
from generation.pages.model_limits_form import ModelLimitsForm
from generation.pages.usage_chart import chart_of
from generation.usage import Line, Span, Usage
from loremotion.refusals import Invalid

DEFAULT_GROUP: Final = "model"
LABELS: Final = {
    "day": pgettext_lazy("usage", "day"),
    "model": pgettext_lazy("usage", "model"),
    "key": pgettext_lazy("usage", "key"),
    "member": pgettext_lazy("usage", "member"),
}
"""What usage is grouped by, for people."""


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """What was spent in a span of days: its sum beside that of the span before, by day, and by what is asked for."""
    tenancy.workspace_of(request, Action.READ_CREDITS)
    caller = tenancy.caller_of(request)
    span = usage.span_of(request.GET.get("since", ""), request.GET.get("until", ""))
    by = usage.groups_of(request.GET.getlist("by")) if request.GET.getlist("by") else (DEFAULT_GROUP,)
    group = next((name for name in by if name != "day"), DEFAULT_GROUP)
    found = usage.usage_of(caller, span, by)
    total, before = found.total, usage.usage_of(caller, span.before, ("day",)).total
    context: dict[str, Any] = {
        "workspace": caller.workspace,
        "usage": found,
        "total": total,
        "before": before,
        "change_percent": round(100 * (total.counted - before.counted) / before.counted) if before.counted else None,
        "chart": chart_of(_by_day(caller, span, group), group),
        "lines": sorted(found.lines, key=_order_of) if "day" not in by else found.lines,
        "group": group,
        "periods": list(_periods(span, by)),
        "is_whole": caller.may(Action.READ_PAYMENTS),
        "groups": spending.GROUPS,
        "labels": LABELS,
        "views": [(name, name == group, _address(span, (name,))) for name in spending.GROUPS if name != "day"],
        "most": max((line.spent.counted for line in found.lines), default=0) or 1,
        "csv": f"{reverse('generation:api-usage')}?{urlencode({**_asked(span), 'by': ','.join(by), 'format': 'csv'})}",
    }
    if caller.workspace is not None and not caller.workspace.is_visitor and caller.may(Action.PAY):
        context["model_limits"] = ModelLimitsForm(workspace=caller.workspace)
    return render(request, "generation/usage.html", context)


def _by_day(caller: Caller, span: Span, group: str) -> Usage:
    """What is drawn: by day alone where a group more would be too much for one answer."""
    try:
        return usage.usage_of(caller, span, ("day", group))
    except Invalid:
        return usage.usage_of(caller, span, ("day",))


def _order_of(line: Line) -> tuple[int, list[str]]:
    """What cost most comes first."""
    return -line.spent.counted, [name or "" for name in line.of.values()]


def _periods(span: Span, by: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
    """Spans that people ask for, each with whether it is the present one, and its address."""
    today = timezone.now().astimezone(UTC).date()
    first = today.replace(day=1)
    last_month = first - timedelta(days=1)
    is_found = False
    for name, each in (
        (_("7 days"), Span(today - timedelta(days=6), today)),
        (_("30 days"), Span(today - timedelta(days=29), today)),
        (_("This month"), Span(first, today)),
        (_("Last month"), Span(last_month.replace(day=1), last_month)),
    ):
        yield name, each == span and not is_found, _address(each, by)
        is_found |= each == span


def _address(span: Span, by: Sequence[str]) -> str:
    return f"?{urlencode({**_asked(span), 'by': by}, doseq=True)}"


def _asked(span: Span) -> dict[str, str]:
    return {"since": span.since.isoformat(), "until": span.until.isoformat()}


@require_POST
def set_model_limits(request: HttpRequest) -> HttpResponse:
    """Save what may be spent on each model."""
    caller = tenancy.caller_for(request, Action.PAY)
    workspace, _caller = tenancy.ensure(request, Action.PAY)
    form = ModelLimitsForm(request.POST, workspace=workspace)
    if not form.is_valid():
        name, problems = next(iter(form.errors.items()))
        messages.error(request, f"{form.fields[name].label}: {problems[0]}")
        return redirect("generation:usage")
    caps = form.caps()
    budgets.set_caps_by_item(workspace.id, caps)
    audit.record(workspace, "budget.changed", actor=caller.name, request=request, by_model=caps)
    messages.success(request, _("Your limits are saved."))
    return redirect("generation:usage")
