"""Bans: staff keeps out one visitor, or whoever comes from one network without an account.

A ban is a row, so that it outlives every restart, and is looked for in the query that finds the visitor. Of a network
the keyed hash of its prefix is kept and no address. People with an account, and keys, go on: their workspaces can be
suspended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts import audit, networks
from accounts.models import Ban, User, Visitor, Workspace
from accounts.workspace_data import all_workspace_data
from loremotion.refusals import Conflict, Forbidden
from loremotion.row_security import across_workspaces

AGAINST: Final = """
SELECT id FROM accounts_ban
WHERE lifted_at IS NULL AND (until IS NULL OR until > %s)
    AND (network <> '' AND network = ANY (%s) OR visitor_id = {visitor})
LIMIT 1
"""
"""Id of the ban that holds now, a parameter, against one of the networks of another, or against ``visitor``, in SQL."""


def ban_visitor(visitor: Visitor, *, by: User, reason: str, until: datetime | None = None) -> Ban:
    """Keep this visitor from making anything, until ``until`` or until it is lifted. What runs is cancelled.

    Raises:
        Conflict: the visitor is gone, or a person's by now.
    """
    with transaction.atomic():
        found = _locked(Visitor.objects.filter(id=visitor.id))
        if not found:
            raise Conflict(
                "no_visitor", _("This visitor has signed up or is erased."), next_step=_("Suspend the workspace.")
            )
        made = Ban.objects.create(visitor=visitor, reason=reason, until=until, banned_by=by)
        _stop(found, made)
    return made


def ban_network(network: str, *, by: User, reason: str, until: datetime | None = None) -> Ban:
    """Keep everybody without an account from making anything from ``network``, a ``networks.lasting_fingerprint``.

    What visitors have running who came from there lately is cancelled.
    """
    with transaction.atomic():
        made = Ban.objects.create(network=network, reason=reason, until=until, banned_by=by)
        _stop(_locked(Visitor.objects.filter(network=network)), made)
    return made


def end(ban: Ban, *, actor: str) -> None:
    """Lift the ban. Twice is once."""
    with transaction.atomic():
        if Ban.objects.filter(id=ban.id, lifted_at=None).update(lifted_at=timezone.now()) and ban.visitor is not None:
            audit.record(ban.visitor.workspace, "visitor.unbanned", actor=actor, reason=ban.reason)


def live() -> QuerySet[Ban]:
    return Ban.objects.filter(Q(until=None) | Q(until__gt=timezone.now()), lifted_at=None)


def shut_out() -> QuerySet[Visitor]:
    """Visitors against whom a ban holds: their own, or of the network that they came from lately."""
    own = live().filter(visitor=OuterRef("pk"))
    theirs = live().exclude(network="").filter(network=OuterRef("network"))
    return Visitor.objects.filter(Q(Exists(own)) | Q(Exists(theirs)))


def against(request: HttpRequest, visitor: Visitor | None) -> Ban | None:
    """The ban that holds against ``visitor``, or against the network that the request comes from."""
    return _find("%s", [list(networks.lasting_fingerprints_of(request)), visitor.id if visitor is not None else None])


def against_workspace(workspace: Workspace, *, prints: Sequence[str]) -> Ban | None:
    """The same against the visitor whose ``workspace`` is, or against a network by ``lasting_fingerprints_of`` it."""
    return _find("(SELECT id FROM accounts_visitor WHERE workspace_id = %s)", [list(prints), workspace.id])


@across_workspaces("a ban is the site's own and is told by its refusal alone")
def _find(visitor: str, whom: list[list[str] | UUID | None]) -> Ban | None:
    with connection.cursor() as cursor:
        cursor.execute(AGAINST.format(visitor=visitor), [timezone.now(), *whom])
        found = cursor.fetchone()
    return Ban.objects.get(id=found[0]) if found else None


@across_workspaces("as above")
def is_banned(visitor: Visitor) -> bool:
    """Whether the visitor is, wherever they come from."""
    return live().filter(visitor=visitor).exists()


def refuse_newcomer(request: HttpRequest) -> None:
    """Refuse whoever has no visitor's cookie yet and comes from a banned network.

    Raises:
        Forbidden: says until when and why.
    """
    ban = against(request, None)
    if ban is not None:
        raise refusal(ban)


def refusal(ban: Ban) -> Forbidden:
    of_browser = ban.network == ""
    if ban.until is None and of_browser:
        words = _("The people who run this site have blocked this browser: %(reason)s.")
    elif ban.until is None:
        words = _("The people who run this site have blocked new visitors from your network: %(reason)s.")
    elif of_browser:
        words = _("The people who run this site have blocked this browser until %(until)s UTC: %(reason)s.")
    else:
        words = _(
            "The people who run this site have blocked new visitors from your network until %(until)s UTC: %(reason)s."
        )
    until = date_format(localtime(ban.until), "DATETIME_FORMAT") if ban.until is not None else ""
    return Forbidden(
        "banned",
        words % {"until": until, "reason": ban.reason.rstrip(".")},
        next_step=_("If that's a mistake, contact them. If you have an account, you can still sign in."),
    )


def _locked(visitors: QuerySet[Visitor]) -> list[Visitor]:
    """With their workspaces, in which nothing begins until this transaction ends: see ``tenancy.lock_and_recheck``."""
    rows = visitors.select_for_update(no_key=True, of=("self", "workspace")).select_related("workspace")
    return list(rows.order_by("id"))


def _stop(visitors: list[Visitor], ban: Ban) -> None:
    for visitor in visitors:
        for holdings in all_workspace_data():
            holdings.stop(visitor.workspace)
        audit.record(
            visitor.workspace,
            "visitor.banned",
            actor=f"staff {ban.banned_by}",
            subject="network" if ban.network else "",
            reason=ban.reason,
            until=ban.until.isoformat() if ban.until is not None else None,
        )
