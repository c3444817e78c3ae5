"""What happens to a workspace as a whole: begin, adopt, rename, hand over, close, suspend."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, bans, members, request_log
from accounts.models import ApiKey, AuditEntry, Membership, User, Visitor, Workspace
from accounts.roles import Role
from accounts.workspace_data import all_workspace_data
from loremotion.refusals import Conflict, Invalid
from loremotion.row_security import across_workspaces
from loremotion.sweeping import each

CLOSING_LASTS = timedelta(days=14)
MOST_OWNED_TEAMS = 20


@across_workspaces("whoever signs in has entered no workspace yet")
def personal_of(user: User) -> Workspace:
    """Return the user's personal workspace, making it if there is none yet."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.id)  # two sign-ins at once make one
        own = Workspace.objects.filter(
            kind=Workspace.Kind.PERSONAL, memberships__user=user, memberships__role=Role.OWNER
        ).first()
        if own is None:
            own = Workspace.objects.create(kind=Workspace.Kind.PERSONAL)
            Membership.objects.create(workspace=own, user=user, role=Role.OWNER)
            audit.record(own, "workspace.begun", actor=user.email)
    return own


@across_workspaces("a person has a log of their own, whichever workspace they are in")
def note_about(
    user: User, event: str, *, subject: str = "", actor: str = "", request: HttpRequest | None = None
) -> None:
    """Note something about how a person signs in, in the audit log of their personal workspace. They did it themselves,
    unless another ``actor`` is named."""
    audit.record(personal_of(user), event, actor=actor or user.email, subject=subject, request=request)


@across_workspaces("two workspaces become one")
def adopt(*, visitor: Visitor, user: User) -> Workspace:
    """Make what a visitor has the user's: it becomes the personal workspace, or is merged into the one there is.

    Nothing running is disturbed. What is suspended or banned is left as it is: signing up washes nothing clean. Returns
    the personal workspace.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=user.id)
        # Not FOR UPDATE: that would wait for requests which hold the account and are about to name the workspace.
        own = Visitor.objects.select_for_update(no_key=True, of=("self", "workspace")).select_related("workspace")
        found = own.filter(id=visitor.id, workspace__suspended_at__isnull=True).first()
        if found is None or bans.is_banned(found):  # another request was first, or staff keeps it as it is
            return personal_of(user)
        source = found.workspace
        found.delete()
        has_personal = Membership.objects.filter(
            user=user, role=Role.OWNER, workspace__kind=Workspace.Kind.PERSONAL
        ).exists()
        if not has_personal:
            Workspace.objects.filter(id=source.id).update(kind=Workspace.Kind.PERSONAL)
            source.kind = Workspace.Kind.PERSONAL
            Membership.objects.create(workspace=source, user=user, role=Role.OWNER)
            audit.record(source, "workspace.adopted", actor=user.email)
            return source
        into = personal_of(user)
        _merge(source, into, actor=user.email)
    return into


@across_workspaces("two workspaces become one")
def unite(*, visitor: Visitor, into: Visitor) -> None:
    """Merge two visitors of one person, who uses two browsers: both cookies lead to the same workspace from now on."""
    with transaction.atomic():
        both = {visitor.id: visitor, into.id: into}
        rows = Visitor.objects.select_for_update(no_key=True, of=("self", "workspace")).select_related("workspace")
        found = {row.id: row for row in rows.filter(id__in=both).order_by("id")}
        if len(found) != 2 or any(row.workspace.suspended_at or bans.is_banned(row) for row in found.values()):
            raise Conflict(
                "cannot_unite", _("One of the two workspaces no longer exists."), next_step=_("Ask for a new link.")
            )
        found[visitor.id].delete()
        _merge(found[visitor.id].workspace, found[into.id].workspace, actor="visitor")


def _merge(source: Workspace, into: Workspace, *, actor: str) -> None:
    for holdings in all_workspace_data():
        holdings.move(source=source, into=into)
    AuditEntry.objects.filter(workspace=source).update(workspace=into)
    Workspace.objects.filter(id=source.id).update(merged_into=into)
    audit.record(into, "workspace.merged", actor=actor, subject=str(source.id))


@across_workspaces("the new workspace is not entered yet, and the owner's others count")
def begin_team(*, name: str, owner: User) -> Workspace:
    """Make a team with its owner as the only member.

    Raises:
        Invalid: it has no name.
        Conflict: the owner owns as many teams as one may.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(id=owner.id)
        owned = Membership.objects.filter(user=owner, role=Role.OWNER, workspace__kind=Workspace.Kind.TEAM)
        if owned.count() >= MOST_OWNED_TEAMS:
            raise Conflict(
                "too_many_teams",
                _("You already own %(most)s teams, the limit.") % {"most": MOST_OWNED_TEAMS},
                next_step=_("Close one of them first."),
            )
        team = Workspace.objects.create(kind=Workspace.Kind.TEAM, name=_check_name(name))
        Membership.objects.create(workspace=team, user=owner, role=Role.OWNER)
        audit.record(team, "workspace.begun", actor=owner.email, name=team.name)
    return team


def rename(workspace: Workspace, *, name: str, actor: str) -> None:
    with transaction.atomic():
        Workspace.objects.filter(id=workspace.id).update(name=_check_name(name))
        audit.record(workspace, "workspace.renamed", actor=actor, before=workspace.name, after=name.strip())


def set_privacy(workspace: Workspace, *, is_private: bool, actor: str) -> None:
    """Set whether a team's new clips are their makers' alone. What is there stays as it is.

    Raises:
        Conflict: it is not a team.
    """
    if not workspace.is_team:
        raise Conflict("not_a_team", _("A personal workspace is just for you."))
    with transaction.atomic():
        changed = Workspace.objects.filter(id=workspace.id).exclude(makes_private_clips=is_private)
        if changed.update(makes_private_clips=is_private):
            audit.record(workspace, "workspace.privacy_changed", actor=actor, new_clips_are_private=is_private)


def transfer(*, workspace: Workspace, owner: Membership, to: Membership) -> None:
    """Make ``to`` the owner, and the owner an admin.

    Raises:
        Conflict: it is not a team, or one of the two is not what they were.
    """
    if not workspace.is_team:
        raise Conflict("not_a_team", _("A personal workspace can't be transferred."))
    with transaction.atomic():
        members.lock_memberships(workspace)
        memberships = {
            membership.id: membership
            for membership in Membership.objects.select_for_update()
            .filter(workspace=workspace, id__in=[owner.id, to.id])
            .select_related("user")
        }
        if len(memberships) != 2 or memberships[owner.id].role != Role.OWNER:
            raise Conflict(
                "members_changed",
                _("The members have changed in the meantime."),
                next_step=_("Reload the page and try again."),
            )
        Membership.objects.filter(id=owner.id).update(role=Role.ADMIN)
        Membership.objects.filter(id=to.id).update(role=Role.OWNER, daily_cap_credits=None, monthly_cap_credits=None)
        audit.record(
            workspace,
            "workspace.transferred",
            actor=memberships[owner.id].user.email,
            subject=memberships[to.id].user.email,
        )


def close(workspace: Workspace, *, actor: str) -> None:
    """Stop what runs there, and erase it after a grace in which it can be read, exported and reopened."""
    with transaction.atomic():
        open_row = Workspace.objects.filter(id=workspace.id, closed_at__isnull=True)
        if open_row.update(closed_at=timezone.now()):
            for holdings in all_workspace_data():
                holdings.stop(workspace)
            audit.record(workspace, "workspace.closed", actor=actor)


def reopen(workspace: Workspace, *, actor: str) -> None:
    with transaction.atomic():
        if Workspace.objects.filter(id=workspace.id, closed_at__isnull=False).update(closed_at=None):
            audit.record(workspace, "workspace.reopened", actor=actor)


def suspend(workspace: Workspace, *, actor: str, reason: str) -> None:
    """Suspend the workspace: nobody does anything there, what runs is cancelled, credits and clips are kept."""
    with transaction.atomic():
        if Workspace.objects.filter(id=workspace.id, suspended_at__isnull=True).update(suspended_at=timezone.now()):
            for holdings in all_workspace_data():
                holdings.stop(workspace)
            audit.record(workspace, "workspace.suspended", actor=actor, reason=reason)


def unsuspend(workspace: Workspace, *, actor: str) -> None:
    with transaction.atomic():
        if Workspace.objects.filter(id=workspace.id, suspended_at__isnull=False).update(suspended_at=None):
            audit.record(workspace, "workspace.unsuspended", actor=actor)


@across_workspaces("what was merged into it goes as well")
def erase(workspace: Workspace) -> None:
    """Delete the workspace with everything that other apps keep for it. The ledger's rows stay: they name nobody."""
    with transaction.atomic():
        # As whoever submits or bans does: first the visitor, then the workspace, then what is in it.
        list(Visitor.objects.select_for_update(no_key=True).filter(workspace=workspace))
        list(Workspace.objects.select_for_update(no_key=True).filter(id=workspace.id))
        for holdings in all_workspace_data():
            holdings.erase(workspace)
        doomed = Workspace.objects.filter(Q(id=workspace.id) | Q(merged_into=workspace))
        keys = ApiKey.objects.filter(workspace__in=doomed)
        lines = list(keys.values_list(Coalesce("origin", "id"), flat=True).distinct())
        doomed.delete()
        transaction.on_commit(lambda: request_log.forget(lines))


def erase_closed(*, limit: int) -> int:
    """Erase workspaces that were closed long enough ago. Returns how many."""
    due = Workspace.objects.filter(closed_at__lt=timezone.now() - CLOSING_LASTS)
    return each(due.order_by("closed_at")[:limit], erase)


def _check_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise Invalid("invalid_name", _("A name needs 1 to 120 characters."), field="name")
    return name
