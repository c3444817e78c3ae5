"""Origins of browser apps that an API key may be used from, and what browsers are told of that (CORS).

Own code and no library: ``django-cors-headers`` decides by the site's settings, and here each key has its own list.

A preflight bears no key, so that its answer is the same for every origin and looks nothing up. What counts is decided
by the request itself: a key with origins is refused from anywhere else, and only for such a key is the page that asked
allowed to read the answer. Cookies are never allowed to come along.

An app that was connected (``accounts.oauth``) may be one in a browser: it has the origin that its person was sent back
to. It may be a program behind that address as well, so it is not bound to be a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import idna
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from accounts import tenancy
from accounts.caller import API_PREFIX, state_of
from accounts.models import ApiKey
from loremotion.cross_origin import ALLOW_ORIGIN, EXPOSE, EXPOSED, PREFLIGHT
from loremotion.errors import refuse
from loremotion.refusals import Forbidden, Invalid, Refusal, Unauthorized

MOST_ORIGINS: Final = 20
LONGEST: Final = 200
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/:\[\]]+|\[[^/\[\]]+\])(?::([0-9]{1,5}))?/?")
_HOST: Final = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_LAST_PORT: Final = 65_535
_OF_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def read_origins(text: str) -> list[str]:
    """The origins that somebody wrote, with spaces, commas or lines between them, as browsers name them.

    Raises:
        Invalid: one is no origin, or would send the key in the clear; or there are too many.
    """
    found = dict.fromkeys(map(_read_origin, re.split(r"[\s,]+", text.strip()))) if text.strip() else {}
    if len(found) > MOST_ORIGINS:
        raise Invalid(
            "too_many_origins",
            _("A key has at most %(most)s origins.") % {"most": MOST_ORIGINS},
            next_step=_("Make another."),
            field="origins",
        )
    return list(found)


def _read_origin(said: str) -> str:
    parts = _ORIGIN.fullmatch(said.lower())
    scheme, named, digits = parts.groups() if parts is not None else ("", "", None)
    host, port = _host_of(named), int(digits) if digits is not None else None
    origin = f"{scheme}://{host}" + (f":{port}" if port is not None and port != _DEFAULT_PORTS.get(scheme) else "")
    is_safe = scheme == "https" or scheme.endswith("-extension") or (scheme == "http" and host in _OF_THIS_MACHINE)
    if not is_safe or not host or (port or 0) > _LAST_PORT or len(origin) > LONGEST:
        raise Invalid(
            "invalid_origin",
            _("%(origin)s is no origin that a key can be restricted to.") % {"origin": repr(said[:LONGEST])},
            next_step=_("Write it as https://app.example, without a path. http:// is for localhost alone."),
            field="origins",
        )
    return origin


def _host_of(named: str) -> str:
    """A host as browsers send it, by IDNA 2008 as UTS 46 reads it: by that of 2003, ``straße`` is somebody else's
    ``strasse``. Empty of what is none."""
    try:
        host = named if named.isascii() else idna.encode(named, uts46=True, transitional=False).decode()
    except idna.IDNAError:
        return ""
    return host if _HOST.fullmatch(host) else ""


class CorsMiddleware:
    """Answers preflights under ``/v1/`` and says who may read an answer. Outside of what counts requests, so that a
    page can read that it asked too often."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        origin = request.headers.get("Origin", "")
        if origin and request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return HttpResponse(status=204, headers=PREFLIGHT)
        response = self.get_response(request)
        patch_vary_headers(response, ["Origin"])
        caller = state_of(request).caller
        if origin and caller is not None and caller.key is not None and origin in caller.key.origins:
            response[ALLOW_ORIGIN] = origin
            response[EXPOSE] = EXPOSED
        return response


class KeyOriginMiddleware:
    """Refuses keys under ``/v1/`` from where they may not be used. Inside of what counts requests: these count too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(API_PREFIX):
            return self.get_response(request)
        refusal = _find_refusal(request, request.headers.get("Origin", ""))
        return self.get_response(request) if refusal is None else refuse(request, refusal)


def _find_refusal(request: HttpRequest, origin: str) -> Refusal | None:
    """Why the request's key may not be used from there; None where it may, or has nothing to say."""
    if "Authorization" not in request.headers:
        return None
    try:
        key = tenancy.caller_of(request).key
    except Unauthorized:
        return None  # whoever counts requests, and the view, find so too
    if key is None or origin in key.origins:
        return None
    is_for_pages = bool(key.origins) and not key.is_connection
    if not is_for_pages and not _is_a_page_of_elsewhere(request, origin):
        return None
    return Forbidden("origin_not_allowed", _words(key, origin), next_step="Set its origins under API keys.")


def _is_a_page_of_elsewhere(request: HttpRequest, origin: str) -> bool:
    """Whether a page asks that could not read the answer: what it made would be paid for all the same."""
    return bool(origin) and origin != settings.SITE_URL and request.headers.get("Sec-Fetch-Mode") == "cors"


def _words(key: ApiKey, origin: str) -> str:
    if not key.origins:
        return "This key isn't for pages in browsers: it has no origins."
    return (
        f"This key may not be used from {origin[:LONGEST]}." if origin else "This key is for pages in browsers alone."
    )
