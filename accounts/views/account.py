"""A person's own pages: what there is of theirs, and the mail of a single machine."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import api_keys, claims, mailbox, newcomer_limits, sessions, tenancy, visitors
from accounts.models import User
from accounts.oauth import connections
from accounts.roles import Action
from accounts.sign_in_state import sign_in_state_of
from loremotion.row_security import across_workspaces


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """How an account stands, a row for each thing that can be changed; for a visitor, how to keep what is here."""
    user = request.user
    context: dict[str, Any] = {}
    if isinstance(user, User):
        caller, places = tenancy.caller_of(request), sessions.list_sessions(request, user)
        with across_workspaces("a person's apps are connected to several workspaces"):
            apps = connections.of_person(user).count()
        context = {
            "sign_in": sign_in_state_of(user),
            "here": next((place for place in places if place.is_current), None),
            "other_places": len([place for place in places if not place.is_current]),
            "apps": apps,
            "other_workspaces": len(caller.memberships) - 1,
            "keys": api_keys.live(caller.workspace).count()
            if caller.workspace and caller.may(Action.MANAGE_KEYS)
            else 0,
        }
    elif (visitor := visitors.visitor_of(request)) is not None:
        token = claims.token_for(visitor)
        context["claim_link"] = request.build_absolute_uri(reverse("accounts:claim", args=[token]))
    return render(request, "accounts/overview.html", context)


@require_safe
@never_cache
def challenge(request: HttpRequest) -> JsonResponse:
    """What a newcomer's browser works on while somebody types: see ``accounts.newcomer_limits``."""
    return JsonResponse(newcomer_limits.challenge_for(request))


@require_safe
def mail(request: HttpRequest) -> HttpResponse:
    if not mailbox.is_shown_to(request):
        raise Http404
    return render(request, "accounts/mail.html", {"mail": mailbox.messages()})
