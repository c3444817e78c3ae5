"""Members of a team: what they may do, how much they may spend, and how they go."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import ApiKey, Invitation, Membership, User, Workspace
from accounts.roles import BY_ROLE, MEANING, Action, Role, may_give
from loremotion.refusals import Conflict, Forbidden
from loremotion.row_security import across_workspaces


@across_workspaces("a person is in several workspaces, whichever is entered")
def memberships_of(user: User) -> list[Membership]:
    """Every membership of a person, with its workspace, the personal one first."""
    own = Membership.objects.filter(user=user).select_related("workspace")
    return list(own.order_by("workspace__kind", "id"))


def lock_memberships(workspace: Workspace) -> None:
    """Lock every role and key of the workspace against changes until this transaction ends.

    To be called before anything else is locked, by whoever changes one, too: so there is no deadlock.
    """
    list(Workspace.objects.select_for_update(no_key=True).filter(id=workspace.id).values_list("id"))


def refuse_unless(user: User, *, may: Action, workspace: Workspace) -> None:
    """Refuse what the user's role does not allow at this moment. Certain once memberships are locked.

    Raises:
        Forbidden: the user is no member any more, may not sign in, or is in a role that may not do it.
    """
    own = Membership.objects.filter(workspace=workspace, user=user, user__is_active=True)
    role = own.values_list("role", flat=True).first()
    if role is None or may not in BY_ROLE[role]:
        raise Forbidden(
            "role_forbids",
            _("Your role no longer allows this: %(what)s.") % {"what": MEANING[may]},
            next_step=_("An owner or admin of the workspace can change it."),
        )


def is_active_member(*, user_id: int | None, workspace_id: UUID) -> bool:
    """Whether somebody belongs to the workspace and may sign in: whom its mail may still go to."""
    return Membership.objects.filter(workspace=workspace_id, user=user_id, user__is_active=True).exists()


def change(
    *,
    membership: Membership,
    by: Membership,
    role: str,
    monthly_cap_credits: int | None,
    daily_cap_credits: int | None,
) -> None:
    """Give a member another role or other caps. With the role goes what rests on it: invitations, and connected apps.

    Raises:
        Forbidden: the owner's role changes only by transfer; nobody gives what they may not, as of this moment.
        Conflict: the member is gone.
    """
    with transaction.atomic():
        lock_memberships(membership.workspace)
        refuse_unless(by.user, may=Action.MANAGE_MEMBERS, workspace=membership.workspace)
        now = Membership.objects.select_for_update().filter(id=membership.id).first()
        if now is None:
            raise Conflict(
                "members_changed",
                _("The members have changed in the meantime."),
                next_step=_("Reload the page and try again."),
            )
        if now.role == Role.OWNER or not may_give(by.role, role):
            raise Forbidden(
                "role_forbids",
                _("You can't give this member that role."),
                next_step=_("To change the owner, transfer ownership in the team's settings."),
            )
        after = {
            "role": role,
            "daily_cap_credits": daily_cap_credits,
            "monthly_cap_credits": monthly_cap_credits,
        }
        Membership.objects.filter(id=membership.id).update(**after)
        if Action.MANAGE_MEMBERS not in BY_ROLE[role]:
            _withdraw_invitations(membership, by=by)
        if Action.MANAGE_KEYS not in BY_ROLE[role]:
            disconnect_apps(membership, actor=by.user.email)
        audit.record(
            membership.workspace,
            "member.changed",
            actor=by.user.email,
            subject=membership.user.email,
            before={name: getattr(now, name) for name in after},
            after=after,
        )


def remove(*, membership: Membership, by: Membership) -> list[str]:
    """End a membership: one's own (leaving), or another's by whoever manages members. Clips and keys stay with the
    team; open invitations of theirs do not, nor the apps that act for them. Returns the prefixes of the live keys that
    the member made.

    Raises:
        Forbidden: ``by`` does not manage members, as of this moment.
        Conflict: the owner cannot go; first the team is handed over.
    """
    is_own = membership.user_id == by.user_id
    with transaction.atomic():
        lock_memberships(membership.workspace)
        if not is_own:
            refuse_unless(by.user, may=Action.MANAGE_MEMBERS, workspace=membership.workspace)
        gone = Membership.objects.filter(id=membership.id).exclude(role=Role.OWNER).delete()[0]
        if not gone and Membership.objects.filter(id=membership.id).exists():
            raise Conflict(
                "owner_stays", _("A workspace needs an owner."), next_step=_("Transfer ownership first, or close it.")
            )
        theirs = ApiKey.objects.live().filter(workspace=membership.workspace, created_by=membership.user)
        keys = theirs.exclude(digest="")
        prefixes = list(keys.order_by("id").values_list("prefix", flat=True))
        if gone:
            event = "member.left" if is_own else "member.removed"
            detail: dict[str, Any] = {"keys_that_go_on": prefixes} if prefixes else {}
            audit.record(membership.workspace, event, actor=by.user.email, subject=membership.user.email, **detail)
            _withdraw_invitations(membership, by=by)
            disconnect_apps(membership, actor=by.user.email)
    return prefixes


def disconnect_apps(membership: Membership, *, actor: str) -> None:
    """End what acts in the workspace for a member who might not connect it any more. Memberships are locked, so no app
    is connected meanwhile."""
    theirs = ApiKey.objects.live().filter(workspace=membership.workspace, created_by=membership.user_id, digest="")
    for app in theirs.order_by("id"):
        audit.record(membership.workspace, "app.disconnected", actor=actor, subject=app.prefix, name=app.name)
    theirs.update(revoked_at=timezone.now())


def _withdraw_invitations(membership: Membership, *, by: Membership) -> None:
    """Take back what somebody offered who may not invite any more, or they would come back by another address of
    theirs. Memberships are locked, so nobody accepts meanwhile."""
    offers = Invitation.objects.filter(workspace=membership.workspace, invited_by=membership.user_id)
    for offer in offers.order_by("id"):
        audit.record(membership.workspace, "member.uninvited", actor=by.user.email, subject=offer.email)
    offers.delete()
