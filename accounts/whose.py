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


def has_owners(workspace: Workspace) -> bool:
    """Whether its owners are prefetched."""
    return MEMBERS in getattr(workspace, "_prefetched_objects_cache", {})


def is_somebodys(workspace: Workspace) -> bool:
    """Whether a customer owns it, of one whose owners are prefetched. Else it is the site's own."""
    return not workspace.is_team or bool(workspace.memberships.all())


def title_of(workspace: Workspace) -> str:
    """Return what staff calls it. Where its owners are not prefetched or there are none, its kind and its id: two
    people are told apart also by staff who may not know them."""
    if workspace.name:
        return workspace.name
    owners = workspace.memberships.all() if has_owners(workspace) else ()
    kind = "Visitor" if workspace.is_visitor else str(Workspace.Kind(workspace.kind).label)
    return next((member.user.email for member in owners), f"{kind} {str(workspace.id)[:8]}")


def title_by_id(workspace: UUID) -> str:
    """Return what staff calls it, and of one that was erased its id."""
    return titles([workspace]).get(workspace, str(workspace))


def titles(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return id → what staff calls it, of those workspaces that there are."""
    return {each.id: title_of(each) for each in Workspace.objects.filter(id__in=[*ids]).prefetch_related(owners())}
