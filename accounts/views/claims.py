"""The page behind a claim link."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import claims


@require_http_methods(["GET", "POST"])
def claim(request: HttpRequest, token: str) -> HttpResponse:
    """Looking changes nothing: mail programs and chats look at links too."""
    visitor = claims.claimed_with(token)
    if visitor is None:
        raise Http404
    if request.method == "POST":
        claims.claim(request, visitor)
        messages.success(request, _("Your clips are here now."))
        return redirect("generation:history")
    return render(request, "accounts/claim.html")
