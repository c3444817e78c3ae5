"""With ``STAFF_MFA`` the admin opens for sessions alone in which a second factor was shown. Others are led to do so.
Without it, somebody signed in within the working day; on a machine of one's own neither is asked for.

Who has lost theirs is helped by whoever runs the site: ``forget``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import sign_in_mail, workspaces
from accounts.models import User

SHOWN_FOR_SECONDS = 12 * 3600
"""A working day. A session lasts for weeks, and a machine that was left open is not to open the admin as long."""

_KINDS = {
    Authenticator.Type.TOTP: gettext_noop("authenticator app"),
    Authenticator.Type.WEBAUTHN: gettext_noop("passkeys"),
    Authenticator.Type.RECOVERY_CODES: gettext_noop("recovery codes"),
}


class StaffSecondFactorMiddleware:
    """Stands before everything under the admin's address, whichever package brought the page.

    Whoever has no second factor yet comes in far enough to set one up, so nobody is locked out by turning this on.
    Who is not signed in, or is no staff, is the admin's own to refuse.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if request.path.startswith(_staff_pages()) and isinstance(user, User) and user.is_staff:
            if settings.STAFF_MFA and not is_shown(request, user):
                return _led_to_it(request, user)
            if not settings.STAFF_MFA and not settings.IS_ONE_MACHINE and not _proofs(request, user):
                return _asked_again(request, user)
        return self.get_response(request)


@cache
def _staff_pages() -> str:
    return reverse("admin:index")


def is_shown(request: HttpRequest, user: User) -> bool:
    """Whether this session has shown a second factor that still is the user's: a passkey, an app, a recovery code. It
    counts for ``SHOWN_FOR_SECONDS``."""
    shown = [record["id"] for record in _proofs(request, user) if record["method"] == "mfa" and "id" in record]
    return bool(shown) and Authenticator.objects.filter(user=user, pk__in=shown).exists()


def _proofs(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """By what this session proved whose it is within ``SHOWN_FOR_SECONDS``."""
    since = time.time() - SHOWN_FOR_SECONDS
    return [record for record in get_authentication_records(request, user) if record.get("at", 0) > since]


def forget(user: User, *, actor: str) -> list[str]:
    """Remove every second factor of somebody who lost theirs, and sign them out everywhere: a lost device may be signed
    in. They get mail. Returns the kinds that there were; with none nothing is done.
    """
    with transaction.atomic():
        lost = Authenticator.objects.filter(user=user)
        kinds = sorted({_KINDS[kind] for kind in lost.values_list("type", flat=True)})
        if not kinds:
            return []
        lost.delete()
        for session in UserSession.objects.filter(user=user):
            session.end()
        workspaces.note_about(user, "account.second_factor_forgotten", subject=", ".join(kinds)[:254], actor=actor)
        with translation.override(user.language or settings.LANGUAGE_CODE):
            context = {
                "user": user,
                "kinds": ", ".join(map(_, kinds)),
                "site": settings.SITE_URL,
                "link": settings.SITE_URL + reverse("mfa_index"),
            }
            subject = _("Your two-factor authentication was removed")
            text = render_to_string("accounts/mail/second_factor_forgotten.txt", context)
        sign_in_mail.write(user=user, address=user.email, subject=subject, text=text)
    return kinds


def _led_to_it(request: HttpRequest, user: User) -> HttpResponse:
    kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    if Authenticator.Type.TOTP in kinds:
        door = "mfa_reauthenticate"
    elif Authenticator.Type.WEBAUTHN in kinds:
        door = "mfa_reauthenticate_webauthn"
    else:
        messages.info(request, _("The admin opens with a second factor. Add a passkey or an authenticator app first."))
        return redirect("mfa_index")
    return _through(door, request)


def _asked_again(request: HttpRequest, user: User) -> HttpResponse:
    """To where a password is typed again; who has none signs in anew."""
    if user.has_usable_password():
        return _through("account_reauthenticate", request)
    logout(request)
    return _through("account_login", request)


def _through(door: str, request: HttpRequest) -> HttpResponse:
    back = request.get_full_path() if request.method == "GET" else reverse("admin:index")
    return redirect(f"{reverse(door)}?{urlencode({'next': back})}")
