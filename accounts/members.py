"""Members of a team: what they may do, how much they may spend, and how they go."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.models import Membership, User
from accounts.roles import BY_ROLE, Action, Role, may_give
from loremotion.refusals import Conflict, Forbidden
from loremotion.row_security import across_workspaces


@across_workspaces("a person is in several workspaces, whichever is entered")
def places_of(user: User) -> list[Membership]:
    """Every workspace of a person, the personal one first."""
    own = Membership.objects.filter(user=user).select_related("workspace")
    return list(own.order_by("workspace__kind", "id"))


def change(*, place: Membership, by: Membership, role: str, monthly_cap_credits: int | None) -> None:
    """Give a member another role or cap.

    Raises:
        Forbidden: the owner's place changes only by transfer; nobody gives what they may not.
    """
    if place.role == Role.OWNER or not may_give(by.role, role):
        raise Forbidden(
            "role_forbids",
            "This place cannot be changed like that.",
            next_step="An owner hands a team over in its settings.",
        )
    with transaction.atomic():
        now = Membership.objects.select_for_update().get(id=place.id)
        Membership.objects.filter(id=place.id).exclude(role=Role.OWNER).update(
            role=role, monthly_cap_credits=monthly_cap_credits
        )
        audit.record(
            place.workspace,
            "member.changed",
            actor=by.user.email,
            subject=place.user.email,
            before={"role": now.role, "monthly_cap_credits": now.monthly_cap_credits},
            after={"role": role, "monthly_cap_credits": monthly_cap_credits},
        )


def remove(*, place: Membership, by: Membership) -> None:
    """End a membership: one's own (leaving), or another's by whoever manages members. Clips stay with the team.

    Raises:
        Forbidden: ``by`` does not manage members.
        Conflict: the owner cannot go; first the team is handed over.
    """
    is_own = place.user_id == by.user_id
    if not is_own and Action.MANAGE_MEMBERS not in BY_ROLE[by.role]:
        raise Forbidden("role_forbids", "Your role here does not manage members.")
    with transaction.atomic():
        gone = Membership.objects.filter(id=place.id).exclude(role=Role.OWNER).delete()[0]
        if not gone and Membership.objects.filter(id=place.id).exists():
            raise Conflict("owner_stays", "A workspace has an owner.", next_step="Hand it over first, or close it.")
        if gone:
            event = "member.left" if is_own else "member.removed"
            audit.record(place.workspace, event, actor=by.user.email, subject=place.user.email)
