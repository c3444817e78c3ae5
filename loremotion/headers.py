"""What browsers are told beyond Django's and CSP's own headers."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

PERMISSIONS_POLICY: Final = ", ".join(
    f"{feature}=()" for feature in ("camera", "microphone", "geolocation", "usb", "payment", "browsing-topics")
)


class PermissionsPolicyMiddleware(MiddlewareMixin):
    """No page of ours, and nothing that one shows, asks for a device, a place or a payment."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response
