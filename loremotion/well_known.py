"""What robots and those who find a weakness look for."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

VALID_FOR: Final = timedelta(days=180)
PRIVATE: Final = ("/account/", "/admin/", "/billing/", "/data/", "/generations/", "/history/", "/v1/", "/workspace/")


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """``robots.txt``: pages of each caller's own are not for search engines, which would find a sign-in page there."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in PRIVATE)]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain")


@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """``security.txt`` (RFC 9116): where to report a weakness. Not there while ``SECURITY_CONTACT`` names nobody."""
    if not settings.SECURITY_CONTACT:
        raise Http404
    expires = (timezone.now() + VALID_FOR).strftime("%Y-%m-%dT00:00:00Z")
    lines = [
        f"Contact: {settings.SECURITY_CONTACT}",
        f"Expires: {expires}",
        f"Canonical: {settings.SITE_URL}/.well-known/security.txt",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain")
