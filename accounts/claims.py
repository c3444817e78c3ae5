"""Claim links: a visitor's way to another device, without an account."""

from __future__ import annotations

from datetime import timedelta

from django.core import signing
from django.http import HttpRequest

from accounts import tenancy, visitors, workspaces
from accounts.models import User, Visitor
from loremotion.row_security import across_workspaces

LINK_LASTS = timedelta(minutes=30)
_SALT = "accounts.claims"


def token_for(visitor: Visitor) -> str:
    """The token of a claim link, good for half an hour. Whoever opens it shares the visitor's clips and credits."""
    return signing.dumps(str(visitor.id), salt=_SALT)


@across_workspaces("the link is about another browser's workspace")
def claimed_with(token: str) -> Visitor | None:
    """The visitor whom a link is about, or None when it is forged, too old, or has become a person's."""
    try:
        visitor_id = signing.loads(token, salt=_SALT, max_age=LINK_LASTS)
    except signing.BadSignature:
        return None
    return Visitor.objects.select_related("workspace").filter(id=visitor_id, workspace__suspended_at=None).first()


def claim(request: HttpRequest, visitor: Visitor) -> None:
    """Make this browser the visitor's; or, where somebody is signed in, give them what the visitor has.

    Raises:
        Conflict: one of the two visitors is gone meanwhile.
    """
    user = request.user
    if isinstance(user, User):
        workspaces.adopt(visitor=visitor, user=user)
    else:
        here = visitors.visitor_of(request)
        if here is not None and here.id != visitor.id:
            workspaces.unite(visitor=here, into=visitor)
        visitors.recognise(request, visitor)
    tenancy.forget(request)
