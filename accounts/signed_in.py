"""Who is signed in."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

FORMER_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
"""It stood beside allauth's, so that each wrong password was hashed twice."""


class SignedInMiddleware(AuthenticationMiddleware):
    """Django's, to which whoever signed in under ``FORMER_BACKEND`` is still signed in."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user_of(request))  # type: ignore[assignment]  # as Django's own


def _user_of(request: HttpRequest) -> AbstractBaseUser | AnonymousUser:
    if request.session.get(BACKEND_SESSION_KEY) == FORMER_BACKEND:
        [request.session[BACKEND_SESSION_KEY]] = settings.AUTHENTICATION_BACKENDS
    return get_user(request)
