"""Who is asking, as far as a model's gates care."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.models import Workspace
from catalog.gates import Audience, territory_of
from catalog.models import Plan


def audience_of(request: HttpRequest, workspace: Workspace | None) -> Audience:
    """The caller with plan and territory. Somebody who has not made anything yet is a visitor."""
    is_visitor = workspace is None or workspace.is_visitor
    return Audience(
        workspace_id=workspace.id if workspace is not None else None,
        plan=Plan.VISITOR if is_visitor else Plan.FREE,
        territory=territory_of(request),
    )
