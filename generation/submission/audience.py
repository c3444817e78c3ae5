"""Who is asking, as far as a model's gates care."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.models import Workspace
from billing.plans import Entitlements, entitlements
from catalog.gates import Audience, territory_of
from catalog.models import AccessLevel
from generation.provider_keys import use


def audience_of(request: HttpRequest, workspace: Workspace | None, may: Entitlements | None = None) -> Audience:
    """The audience that a caller belongs to, by plan, territory and own keys. Without a workspace: a visitor.

    Args:
        may: what the workspace is entitled to, where that was asked already.
    """
    return Audience(
        workspace_id=workspace.id if workspace is not None else None,
        plan=_plan_of(workspace, may),
        territory=territory_of(request),
        own_keys=use.keys_of(workspace.id if workspace is not None else None),
    )


def _plan_of(workspace: Workspace | None, may: Entitlements | None) -> AccessLevel:
    if workspace is None:
        return AccessLevel.VISITOR
    if (may or entitlements(workspace.id)).is_paid:
        return AccessLevel.PAID
    return AccessLevel.VISITOR if workspace.is_visitor else AccessLevel.FREE
