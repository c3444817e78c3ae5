"""The right to be forgotten: a visitor's or a person's everything, at once."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from accounts import members, workspaces
from accounts.email_addresses import is_address
from accounts.models import AuditEntry, Membership, User, Visitor, Workspace
from accounts.roles import Role
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Conflict
from loremotion.row_security import across_workspaces

NOBODY = "somebody erased"


def erase_visitor(visitor: Visitor) -> None:
    """Erase the visitor with clips and files. What the ledger keeps names nobody."""
    workspaces.erase(visitor.workspace)


@across_workspaces("a person has traces in every workspace they were in")
def erase_person(user: User) -> None:
    """Erase the account, the personal workspace and teams that nobody else is in, with clips, files, keys and sessions.

    In other teams the clips stay, which are the team's, and the audit log names nobody where it named this person. Apps
    that act for them there go.
    What somebody did as staff stays noted, as somebody's who is gone.

    Raises:
        Conflict: the person owns a team that others are in, or is on the staff.
    """
    if user.is_staff:
        raise Conflict(
            "on_the_staff",
            _("You're on the staff of this site, which keeps a log of what its staff does."),
            next_step=_("Ask a superuser to take you off the staff first."),
        )
    with transaction.atomic():
        # Not FOR UPDATE: whoever submits holds the workspace, for which this is about to wait, and names the user.
        User.objects.select_for_update(no_key=True).get(id=user.id)
        owned = Workspace.objects.filter(memberships__user=user, memberships__role=Role.OWNER)
        shared = [
            team.title
            for team in Workspace.objects.filter(id__in=owned.values("id")).annotate(people=Count("memberships"))
            if team.people > 1
        ]
        if shared:
            raise Conflict(
                "owns_teams",
                _("You own %(shared)s, which other people still use.") % {"shared": ", ".join(shared)},
                next_step=_("Transfer ownership first, or close it and wait until it's deleted."),
            )
        for workspace in list(owned):
            workspaces.erase(workspace)
        for place in Membership.objects.filter(user=user).select_related("workspace").order_by("workspace_id"):
            members.lock_memberships(place.workspace)
            members.disconnect_apps(place, actor=NOBODY)
        others = Membership.objects.filter(user=user).values("workspace")
        named = AuditEntry.objects.filter(workspace__in=others)
        named.filter(is_address(user.email, field="actor")).update(actor=NOBODY)
        named.filter(is_address(user.email, field="subject")).update(subject=NOBODY)
        addresses = EmailAddress.objects.filter(user=user).values("email")
        MailMessage.objects.filter(workspace=None, address__in=addresses).delete()  # what is to them goes with them
        _keep_notes(user)
        user.delete()


def _keep_notes(user: User) -> None:
    """Keep the admin's notes of what this person did, which would go with the account, under an account of nobody's.
    Where there are none, those of what was done to this account name nobody."""
    done = LogEntry.objects.filter(user=user)
    if done.exists():
        done.update(user=User.objects.create_user(f"former-staff-{user.pk}@erased.invalid", is_active=False))
    else:
        kind = ContentType.objects.get_for_model(User)
        LogEntry.objects.filter(content_type=kind, object_id=str(user.pk)).update(object_repr=NOBODY)
