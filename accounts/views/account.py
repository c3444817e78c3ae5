"""A person's own pages: what there is of theirs, and the mail of a single machine."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import claims, mailbox, members, newcomer_limits, visitors
from accounts.models import User


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Who is signed in and in which workspace; for a visitor, how to keep what is here."""
    user = request.user
    context: dict[str, Any] = {}
    if isinstance(user, User):
        context["memberships"] = members.memberships_of(user)
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
