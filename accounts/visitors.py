"""Visitors: people without an account. A signed cookie names a row, the row owns a workspace."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import bans, networks, newcomer_limits
from accounts.bans import AGAINST
from accounts.caller import state_of
from accounts.models import Ban, Visitor, Workspace
from loremotion.row_security import across_workspaces

COOKIE = "visitor"
COOKIE_LASTS = timedelta(days=400)
_SALT = "accounts.visitors"
_VISITOR = [field.attname for field in Visitor._meta.concrete_fields]
_WORKSPACE = [field.attname for field in Workspace._meta.concrete_fields]
# In SQL of its own, at half the time of the ORM's: every request of a visitor asks it.
KNOWN: Final = f"""
SELECT {", ".join(f"v.{name}" for name in _VISITOR)}, {", ".join(f"w.{name}" for name in _WORKSPACE)},
    ({AGAINST.format(visitor="v.id")})
FROM accounts_visitor v JOIN accounts_workspace w ON w.id = v.workspace_id WHERE v.id = %s
"""  # noqa: S608 - names of columns
"""A visitor with the workspace, and the id of the ban against them or against the network that they come from."""


@across_workspaces("the cookie is what says whose browser this is")
def visitor_of(request: HttpRequest) -> Visitor | None:
    """The visitor that the request's cookie names, with the workspace."""
    visitor_id = _named_by_cookie(request)
    return Visitor.objects.select_related("workspace").filter(id=visitor_id).first() if visitor_id else None


def visitor_and_ban_of(request: HttpRequest) -> tuple[Visitor | None, Ban | None]:
    """The request's visitor, and the ban against them or their network if there is one: one query, unless there is.

    For ``accounts.tenancy``, which has everything in sight.
    """
    visitor_id = _named_by_cookie(request)
    if visitor_id is None:
        return None, None
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [timezone.now(), list(networks.lasting_fingerprints_of(request)), visitor_id])
        row = cursor.fetchone()
    if row is None:
        return None, None
    *found, ban_id = row
    visitor = Visitor.from_db(connection.alias, _VISITOR, found[: len(_VISITOR)])
    visitor.workspace = Workspace.from_db(connection.alias, _WORKSPACE, found[len(_VISITOR) :])
    return visitor, Ban.objects.get(id=ban_id) if ban_id is not None else None


def _named_by_cookie(request: HttpRequest) -> UUID | None:
    try:
        return UUID(signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT))
    except (signing.BadSignature, ValueError):
        return None


def begin(request: HttpRequest) -> Visitor:
    """Make a visitor with a workspace. The middleware sets the cookie with the answer.

    Raises:
        Forbidden: staff keeps this network out.
        TooMany, Forbidden, ProofIsAway: many visitors came from this network today (``accounts.newcomer_limits``).
    """
    bans.refuse_newcomer(request)
    newcomer_limits.admit(request)
    with across_workspaces("the new workspace is not entered yet"), transaction.atomic():
        workspace = Workspace.objects.create(kind=Workspace.Kind.VISITOR)
        visitor = Visitor.objects.create(workspace=workspace, network=networks.lasting_fingerprint_of(request))
    recognise(request, visitor)
    return visitor


def forget_networks(*, limit: int) -> int:
    """Forget the networks, even hashed, that visitors came from some days ago. Returns how many that was."""
    since = timezone.now() - networks.KEPT
    old = Visitor.objects.filter(created_at__lt=since).exclude(network="").order_by("created_at")
    return Visitor.objects.filter(id__in=list(old.values_list("id", flat=True)[:limit])).update(network="")


def recognise(request: HttpRequest, visitor: Visitor) -> None:
    """Make the browser this visitor's: the answer to this request sets the cookie."""
    state_of(request).visitor_to_set = visitor


def forget(request: HttpRequest) -> None:
    """Take the cookie away with the answer, since the browser's visitor has become a person."""
    state_of(request).is_visitor_to_forget = True


def set_cookie(response: HttpResponse, visitor: Visitor) -> None:
    response.set_cookie(
        COOKIE,
        signing.dumps(str(visitor.id), salt=_SALT),
        max_age=COOKIE_LASTS,
        httponly=True,
        samesite="Lax",
        secure=settings.IS_HTTPS,
    )
