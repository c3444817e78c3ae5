"""What staff calls a workspace: a team by its name, a person by their address, a visitor by their id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db.models import Prefetch

from accounts.models import Membership, Workspace
from accounts.roles import Role

MEMBERS: Final = "memberships"


def owners(path: str = MEMBERS) -> Prefetch[str]:
    """Return what to prefetch for ``title_of``, of rows that reach a workspace's memberships by ``path``."""
    return Prefetch(path, Membership.objects.filter(role=Role.OWNER).select_related("user"))


def title_of(workspace: Workspace) -> str:
    """Return what staff calls it; where its owners are not prefetched, what people call it."""
    if workspace.name or MEMBERS not in getattr(workspace, "_prefetched_objects_cache", {}):
        return workspace.title
    if workspace.kind == Workspace.Kind.VISITOR:
        return f"Visitor {str(workspace.id)[:8]}"
    return next((member.user.email for member in workspace.memberships.all()), workspace.title)


def title_by_id(workspace: UUID) -> str:
    """Return what staff calls it, and of one that was erased its id."""
    return titles([workspace]).get(workspace, str(workspace))


def titles(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return id → what staff calls it, of those workspaces that there are."""
    return {each.id: title_of(each) for each in Workspace.objects.filter(id__in=[*ids]).prefetch_related(owners())}
