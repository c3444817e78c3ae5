"""Who is asking, as far as a model's gates care."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.models import Workspace
from billing.plans import entitlements
from catalog.gates import Audience, territory_of
from catalog.models import Plan


def audience_of(request: HttpRequest, workspace: Workspace | None) -> Audience:
    """The caller with plan and territory. Somebody who has not made anything yet is a visitor."""
    return Audience(
        workspace_id=workspace.id if workspace is not None else None,
        plan=_plan_of(workspace),
        territory=territory_of(request),
    )


def _plan_of(workspace: Workspace | None) -> Plan:
    if workspace is None:
        return Plan.VISITOR
    if entitlements(workspace.id).is_paid:
        return Plan.PAID
    return Plan.VISITOR if workspace.is_visitor else Plan.FREE
