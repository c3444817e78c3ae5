"""Which language an answer is in: what people read is in theirs, what programs and staff read is in English.

A cookie says what was chosen in the foot of a page, and without one the browser's own languages do. Whoever signs in
brings along what they chose (``accounts.language``).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_supported_language_variant
from django.utils.translation.trans_real import parse_accept_lang_header

IN_ENGLISH: Final = (
    "/v1/",
    "/admin/",
    "/worker/",
    "/stripe/",
    "/.well-known/",
    "/oauth/token",
    "/oauth/register",
    "/oauth/revoke",
    "/llms.txt",
    "/robots.txt",
    "/status.json",
    "/oembed",
)
"""Where programs ask, for whom codes are the contract and words are for whoever reads their log; and the staff's tool.
What stands in front of Django (``/mcp``, ``/livez``, ``/metrics``) knows no other language."""
_WORDS: Final = ("text/", "application/json", "application/problem+json")

_CHOSEN: Final = "-x-chosen"
"""Of a cookie's language: a private subtag (BCP 47), which Django's look-up passes over."""


class LanguageMiddleware:
    """Answers in the reader's language, and tells caches that another reader may get other words.

    Unlike Django's it leaves the addresses that programs ask alone, and names the cookie among what an answer varies
    with.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_in_english(request.path):
            translation.activate(settings.LANGUAGE_CODE)
            return self.get_response(request)
        language = translation.get_language_from_request(request)
        translation.activate(language)
        request.LANGUAGE_CODE = language
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith(_WORDS):
            response.headers.setdefault("Content-Language", language)
            patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


def of_scope(scope: Any) -> str:
    """The language of whoever sent a request that no view sees, by its ASGI scope."""
    if is_in_english(scope["path"]):
        return settings.LANGUAGE_CODE
    request = ASGIRequest({"query_string": b"", **scope, "method": "GET"}, io.BytesIO())
    return translation.get_language_from_request(request)


def is_in_english(path: str) -> bool:
    """Whether what is at this address is in English for everybody."""
    return path.startswith(IN_ENGLISH) or path == "/v1"


def is_spoken(language: str) -> bool:
    """Whether the site's pages can be read in this language."""
    return language in dict(settings.LANGUAGES)


def remember_choice(response: HttpResponse, language: str) -> None:
    """Have this browser keep to what somebody chose who is not signed in: it is theirs once they sign in."""
    remember(response, language + _CHOSEN)


def choice_before_sign_in(request: HttpRequest) -> str:
    """What was chosen in this browser before anybody signed in; empty where nothing was."""
    kept = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    language = kept.removesuffix(_CHOSEN)
    return language if language != kept and is_spoken(language) else ""


def of_browser(request: HttpRequest) -> str:
    """What the browser itself asks for, whatever was chosen in it: the first that the site speaks, else its own."""
    for wanted, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        with contextlib.suppress(LookupError):
            return get_supported_language_variant(wanted)
    return settings.LANGUAGE_CODE


def forget(response: HttpResponse) -> None:
    """Have the browser that gets this answer go by its own languages."""
    response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")


def remember(response: HttpResponse, language: str) -> None:
    """Have the browser that gets this answer keep to the language."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
