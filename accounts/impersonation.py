"""Staff looks into a workspace, read only: for half an hour, under a banner, and noted in its audit log."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

from accounts import audit
from accounts.models import User, Workspace
from loremotion.refusals import Forbidden

PERMISSION = "accounts.look_into_workspace"
LASTS = timedelta(minutes=30)
_SESSION_KEY = "looks_into"


def begin(request: HttpRequest, workspace: Workspace) -> None:
    """Let this session look into ``workspace`` without changing anything there.

    Raises:
        Forbidden: the user is no staff, or has not the permission.
    """
    user = request.user
    if not isinstance(user, User) or not user.is_staff or not user.has_perm(PERMISSION):
        raise Forbidden("staff_only", "This takes staff with the permission to look into workspaces.")
    ends_at = timezone.now() + LASTS
    request.session[_SESSION_KEY] = {"workspace": str(workspace.id), "ends_at": ends_at.timestamp()}
    audit.record(workspace, "staff.looked", actor=f"staff {user.email}", request=request)


def end(request: HttpRequest) -> UUID | None:
    """Return the id of the workspace that the session looked into; None where it looked into none."""
    look = request.session.pop(_SESSION_KEY, None)
    return UUID(look["workspace"]) if look else None


def workspace_of(request: HttpRequest, user: User) -> Workspace | None:
    """The workspace that this session looks into; None once the time is over or the permission is gone."""
    look = request.session.get(_SESSION_KEY)
    if look is None or look["ends_at"] < timezone.now().timestamp():
        return None
    if not user.is_staff or not user.has_perm(PERMISSION):
        return None
    return Workspace.objects.filter(id=UUID(look["workspace"])).first()
