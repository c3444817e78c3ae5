"""Where one is signed in, and signing out there."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import sessions
from accounts.models import User


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """The list; a POST signs out everywhere but here. It stands at the address of allauth's own list."""
    user = _user(request)
    if request.method == "POST":
        sessions.end_others(request, user)
        messages.success(request, _("You're signed out everywhere else."))
        return redirect("accounts:sessions")
    return render(request, "accounts/sessions.html", {"places": sessions.list_sessions(request, user)})


@require_POST
@login_required
def end(request: HttpRequest, session_id: int) -> HttpResponse:
    """Sign out in one place; where that is this one, by leaving through the front door."""
    ended = sessions.end(_user(request), session_id)
    if ended is None:
        raise Http404
    if ended == request.session.session_key:
        logout(request)
        return redirect("generation:home")
    messages.success(request, _("That device is signed out."))
    return redirect("accounts:sessions")


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
