"""What browsers and caches are told beyond Django's and CSP's own headers."""

from __future__ import annotations

from typing import Any, Final

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response, set_response_etag
from django.utils.deprecation import MiddlewareMixin

from loremotion.errors import is_api

PERMISSIONS_POLICY: Final = ", ".join(
    f"{feature}=()" for feature in ("camera", "microphone", "geolocation", "usb", "payment", "browsing-topics")
)


class PermissionsPolicyMiddleware(MiddlewareMixin):
    """No page of ours, and nothing that one shows, asks for a device, a place or a payment."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response


class ContentSecurityPolicyMiddleware(CSPMiddleware):  # type: ignore[misc]  # django-csp has no types
    """django-csp's, for which the site's policy is put into words once and not for each answer."""

    _written: tuple[Any, str] = (None, "")
    """The setting, and what it reads."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        policy = settings.CONTENT_SECURITY_POLICY
        if HEADER in response or "_csp" in " ".join((*vars(request), *vars(response))):
            own: HttpResponseBase = super().process_response(request, response)  # a policy of its own
            return own
        if self._written[0] is not policy:
            self._written = (policy, build_policy())
        response[HEADER] = self._written[1]
        return response


class ApiCachingMiddleware(MiddlewareMixin):
    """What the API says is the caller's own: kept by them alone, and asked for again each time.

    Whoever comes back with the tag of what they have is answered 304 while it is still so. Files and streams under
    ``/v1/`` say for themselves how long they keep.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not is_api(request.path) or response.streaming or "Cache-Control" in response:
            return response
        if request.method not in ("GET", "HEAD") or response.status_code != 200:
            response["Cache-Control"] = "no-store"
            return response
        response["Cache-Control"] = "private, no-cache"
        if isinstance(response, HttpResponse):
            set_response_etag(response)
            return get_conditional_response(request, etag=response["ETag"], response=response) or response
        return response
