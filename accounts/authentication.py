"""How the API knows who is asking."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import tenancy


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


class CallerAuthentication(BaseAuthentication):
    """Authenticates an API request by its key or cookie, as ``accounts.tenancy`` finds its caller.

    DRF exempts its views from the CSRF check; whoever is known by a cookie needs it.
    """

    def authenticate(self, request: Request) -> None:
        caller = tenancy.caller_of(request._request)
        tenancy.refuse_nobody(request._request, caller)
        if caller.key is not None:
            return
        check = _CsrfCheck(lambda _: HttpResponse())
        check.process_request(request._request)
        reason = check.process_view(request._request, HttpResponse, (), {})
        if reason:
            raise exceptions.PermissionDenied(f"{reason} Load a page first and send its token as X-CSRFToken.")
