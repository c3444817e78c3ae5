"""A person arrives: what this browser made as a visitor comes along."""

from __future__ import annotations

from django.http import HttpRequest

from accounts import tenancy, visitors, workspaces
from accounts.models import User, Workspace


def welcome(request: HttpRequest, user: User) -> Workspace:
    """Return the personal workspace of whoever just signed in, having moved the visitor's clips and credits into it.

    The cookie goes with the answer, so after a crash in between the next sign-in finds the visitor still there.
    """
    visitor = visitors.visitor_of(request)
    if visitor is None:
        personal = workspaces.personal_of(user)
    else:
        personal = workspaces.adopt(visitor=visitor, user=user)
        visitors.forget(request)
    tenancy.forget(request)
    return personal
