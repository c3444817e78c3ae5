"""How many people a team has room for. Its plan says so, and ``settings.WORKSPACE_SEATS`` knows the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Invitation, Membership, Workspace
from accounts.offers import open_offers
from loremotion.refusals import Conflict


def seat_limit(workspace: Workspace) -> int:
    """Members that the workspace may have now, its owner among them. Who is in stays in when a plan shrinks."""
    seats_of = cast(Callable[[UUID], int], import_string(settings.WORKSPACE_SEATS))
    return seats_of(workspace.id)


def count_taken(workspace: Workspace, *, besides: Invitation | None = None) -> int:
    """The number of members and of invitations that can still be accepted, leaving out ``besides``."""
    offered = open_offers().filter(workspace=workspace)
    if besides is not None:
        offered = offered.exclude(pk=besides.pk)
    return _members(workspace) + offered.count()


def refuse_offer(workspace: Workspace, *, besides: Invitation | None = None) -> None:
    """Refuse to offer one more seat. To be called with the workspace's row locked, as ``refuse_member`` is.

    Raises:
        Conflict: every seat has somebody, or is offered to somebody.
    """
    _refuse_when_full(workspace, count_taken(workspace, besides=besides))


def refuse_member(workspace: Workspace) -> None:
    """Refuse one more member, whose seat was kept since the invitation unless the plan has shrunk.

    Raises:
        Conflict: every seat has somebody.
    """
    _refuse_when_full(workspace, _members(workspace))


def _members(workspace: Workspace) -> int:
    return Membership.objects.filter(workspace=workspace).count()


def _refuse_when_full(workspace: Workspace, count: int) -> None:
    most = seat_limit(workspace)
    if count >= most:
        raise Conflict(
            "no_seat_left",
            ngettext(
                "%(title)s has %(most)s seat on its plan, and none is free.",
                "%(title)s has %(most)s seats on its plan, and none is free.",
                most,
            )
            % {"title": workspace.title, "most": most},
            next_step=_("Change the plan, revoke an invitation, or remove a member."),
        )
