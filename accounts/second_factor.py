"""With ``STAFF_MFA`` the admin opens for sessions alone in which a second factor was shown. Others are led to do so."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.models import User


class StaffDoorMiddleware:
    """Stands before everything under the admin's address, whichever package brought the page.

    Whoever has no second factor yet comes in far enough to set one up, so nobody is locked out by turning this on.
    Who is not signed in, or is no staff, is the admin's own to refuse.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.STAFF_MFA and request.path.startswith(reverse("admin:index")):
            user = request.user
            if isinstance(user, User) and user.is_staff and not is_shown(request, user):
                return _led_to_it(request, user)
        return self.get_response(request)


def is_shown(request: HttpRequest, user: User) -> bool:
    """Whether this session has shown a second factor that still is the user's: a passkey, an app, a recovery code."""
    records = get_authentication_records(request, user)
    shown = [record["id"] for record in records if record["method"] == "mfa" and "id" in record]
    return bool(shown) and Authenticator.objects.filter(user=user, pk__in=shown).exists()


def _led_to_it(request: HttpRequest, user: User) -> HttpResponse:
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    if Authenticator.Type.TOTP in kinds:
        door = "mfa_reauthenticate"
    elif Authenticator.Type.WEBAUTHN in kinds:
        door = "mfa_reauthenticate_webauthn"
    else:
        messages.info(request, "The admin opens with a second factor. Add a passkey or an authenticator app first.")
        return redirect("mfa_index")
    back = request.get_full_path() if request.method == "GET" else reverse("admin:index")
    return redirect(f"{reverse(door)}?{urlencode({'next': back})}")
