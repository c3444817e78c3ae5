"""The apps that somebody connected, in whatever workspace."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import api_keys
from accounts.models import User
from accounts.oauth import connections
from loremotion.row_security import across_workspaces

_SEVERAL: Final = "a person's apps are connected to several workspaces"


@require_safe
@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """What acts in the person's name, and where."""
    with across_workspaces(_SEVERAL):
        apps = list(connections.of_person(_person(request)))
    return render(request, "accounts/apps.html", {"apps": apps})


@require_POST
@login_required
def disconnect(request: HttpRequest, key_id: int) -> HttpResponse:
    """End a connection, from this moment."""
    user = _person(request)
    with across_workspaces(_SEVERAL):
        key = get_object_or_404(connections.of_person(user), id=key_id)
        api_keys.revoke(key=key, actor=user.email)
    messages.success(request, _("%(name)s was disconnected.") % {"name": key.name})
    return redirect("accounts:apps")


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
