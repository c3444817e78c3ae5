"""The audit log of the workspace one is in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import audit, exports
from accounts.audit_sentences import Sentence
from accounts.models import AuditEntry, Membership
from accounts.permissions import member_may
from accounts.roles import Action
from loremotion.row_number import row_number

PAGE = 50


@require_safe
@member_may(Action.READ_AUDIT)
def log(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The page of the log, newest first, by keyset."""
    own = AuditEntry.objects.filter(workspace=membership.workspace).order_by("-id")
    before = row_number(request.GET.get("before"))
    if before is not None:
        own = own.filter(id__lt=before)
    entries = list(own[: PAGE + 1])
    older = entries[PAGE - 1].id if len(entries) > PAGE else None
    sentences = [Sentence.of(entry) for entry in entries[:PAGE]]
    context = {"workspace": membership.workspace, "sentences": sentences, "older": older}
    return render(request, "accounts/audit.html", context)


@require_safe
@member_may(Action.READ_AUDIT)
def export(request: HttpRequest, membership: Membership) -> HttpResponse:
    workspace = membership.workspace
    response = exports.csv_file(audit.as_csv(workspace), name="audit.csv", reader=workspace.id)
    return response  # type: ignore[return-value]  # it answers as an HttpResponse does
