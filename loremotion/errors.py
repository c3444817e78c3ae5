"""How refusals and errors reach whoever asked: a page for people, a problem document for programs.

The document follows RFC 9457 and carries OpenAI's ``error`` object beside it, so that both kinds of client read it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.cache import add_never_cache_headers
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from loremotion import stores_away
from loremotion.form_parts import UnreadPart
from loremotion.refusals import Forbidden, Refusal, TooLarge, TooMany

logger = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
_NO_METHOD = "method_not_allowed"
_SAFE = ("GET", "HEAD", "OPTIONS")
_BROKEN_API = (
    "Something went wrong on our side. Your request may have gone through: check before you send it again, or send it "
    "again with the same Idempotency-Key."
)


class RefusalMiddleware:
    """Answers a ``Refusal`` that no view caught: with a page, or with a problem document under ``/v1/``. So are
    answered methods that a view does not take.

    That Valkey or the database is away is one too, for what cannot do without: nobody who signs in guesses uncounted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == 405 and not response.content:  # Django's, which says nothing to anybody
            return method_not_allowed(request, allowed=response["Allow"])
        if response.status_code == 404 and is_api(request.path) and response.get("Content-Type") != PROBLEM:
            return not_found(request, Http404())  # Django's, a page for whoever develops it
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if database_is_away := stores_away.database_refusal(exception, asked=request.path, is_api=wants_json(request)):
            return refuse_bare(request, database_is_away)
        exception = stores_away.valkey_refusal(exception, asked=request.path) or exception
        return refuse(request, exception) if isinstance(exception, Refusal) else None


def refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The answer to a refused request: a page, or a problem document."""
    if wants_json(request):
        response: HttpResponse = JsonResponse(problem(refusal), status=refusal.status, content_type=PROBLEM)
    else:
        response = render(request, "refusal.html", {"refusal": refusal}, status=refusal.status)
    return with_retry_headers(response, refusal, method=request.method)


def refuse_bare(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """As ``refuse``, by a page that asks no store."""
    if wants_json(request):
        return refuse(request, refusal)
    response = HttpResponse(bare_page(refusal.message, refusal.next_step), status=refusal.status)
    return with_retry_headers(response, refusal, method=request.method)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's view for a form without its token: an old page, mostly, or a browser without cookies."""
    words = _("This page was open before you signed in or out, or your browser blocks cookies.")
    return refuse(request, Forbidden("csrf_failed", words, next_step=_("Go back, reload the page and try again.")))


def method_not_allowed(request: HttpRequest, *, allowed: str) -> HttpResponse:
    """The answer to a method that the address does not take. Where a form is sent to is an address too: who reloads or
    bookmarks it, or comes back to it after signing in, is led to the page above it."""
    if wants_json(request):
        response: HttpResponse = JsonResponse(
            document(405, _NO_METHOD, _no_method(request, allowed)), status=405, content_type=PROBLEM
        )
    elif request.method == "GET":
        messages.info(request, _("Nothing was sent. Carry on from here."))
        response = redirect(page_above(request.path))
        add_never_cache_headers(response)
        return response
    else:
        refusal = Refusal(_NO_METHOD, _("This page doesn't accept forms."), next_step=_("Go back and try again."))
        response = render(request, "refusal.html", {"refusal": refusal}, status=405)
    response["Allow"] = allowed
    return response


def _no_method(request: HttpRequest | Request, allowed: str) -> str:
    return f"{request.method} isn't allowed here. Use {allowed}."


def page_above(path: str) -> str:
    """The nearest address above ``path`` that is one of the site's own, by name; in the end the start."""
    while path.strip("/"):
        path = path.rstrip("/").rpartition("/")[0] + "/"
        try:
            if resolve(path).url_name:  # the admin catches whatever is under it, nameless
                return path
        except Resolver404:
            continue
    return "/"


def is_api(path: str) -> bool:
    """Whether programs ask there, and read no page."""
    return path == "/v1" or path.startswith("/v1/")


def wants_json(request: HttpRequest) -> bool:
    return is_api(request.path) or not request.accepts("text/html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page or a document, and the same words for what is absent and what is another's; of staff in the admin see
    ``staff_refusals``."""
    detail = _("There's nothing here, or it isn't yours.")
    if is_api(request.path) and request.path.endswith("/"):
        detail += " API addresses don't end in a slash."
    if wants_json(request):
        return JsonResponse(document(404, "not_found", detail), status=404, content_type=PROBLEM)
    return render(request, "404.html", {"detail": detail}, status=404)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The answer to what somebody may not do; of staff in the admin see ``staff_refusals``."""
    words = str(exception) or _("Your account isn't allowed to do this.")
    return refuse(request, Forbidden("forbidden", words, next_step=_("The people who run this site can allow it.")))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler for 400: of what cannot be read, and of whoever names a host that is not ours.

    Renders no page of the site: what is wrong with the request may be what a page would need.
    """
    is_host = isinstance(exception, DisallowedHost)
    refusal = _unreadable(exception)
    if not wants_json(request):
        if is_host:  # where no way back leads either
            return defaults.bad_request(request, exception)
        said = str(refusal) if refusal else _("We couldn't read what your browser sent.")
        words = f"{said} {_('Nothing was done. Go back, reload the page and try again.')}"
        return HttpResponse(bare_page(_("That didn't work"), words), status=refusal.status if refusal else 400)
    if refusal:
        return JsonResponse(problem(refusal), status=refusal.status, content_type=PROBLEM)
    code, detail = (
        ("unknown_host", "This site has no such host name.")
        if is_host
        else ("bad_request", "This request can't be read.")
    )
    return JsonResponse(document(400, code, detail), status=400, content_type=PROBLEM)


def _unreadable(error: Exception) -> Refusal | None:
    """What is wrong with a body that Django doesn't read; None of any other error."""
    match error:
        case UnreadPart():
            return error.refusal
        case RequestDataTooBig():
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE / 1024**2
            return TooLarge(
                "too_large",
                _("The text in the request is too large. The limit is %(most)s MB.")
                % {"most": number_format(f"{most:g}")},
            )
        case TooManyFieldsSent():
            most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            return Refusal(
                "too_many_fields",
                _("The request has more than %(most)s fields.") % {"most": intcomma(most)},
                next_step=_("Send fewer."),
            )
        case TooManyFilesSent():
            most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
            return Refusal(
                "too_many_files",
                _("The form has more than %(most)s files.") % {"most": intcomma(most)},
                next_step=_("Send fewer."),
            )
        case MultiPartParserError() if "boundary" in str(error) or "Content-Type" in str(error):
            words = "The form can't be read: its Content-Type names no boundary of 1 to 201 ASCII characters."
            return Refusal("parse_error", words, next_step="Leave that header to your HTTP client.")
        case MultiPartParserError():
            return Refusal("parse_error", _("The form can't be read: its parts are damaged."))
    return None


def too_many(request: HttpRequest) -> HttpResponse:
    """Django's handler for 429: signing in or up, tried too often."""
    refusal = TooMany(
        "too_many_attempts",
        _("There have been too many attempts from your network."),
        next_step=_("Wait a few minutes, then try again."),
        retry_after_seconds=300,
    )
    response = render(request, "refusal.html", {"refusal": refusal}, status=429)
    return with_retry_headers(response, refusal, method=request.method)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler for 500. Reads no database and no session: either may be what broke, on the way to a view too.

    Nobody knows here how far the request came, so it says nothing of money.
    """
    if away := stores_away.database_refusal(sys.exception(), asked=request.path, is_api=wants_json(request)):
        return refuse_bare(request, away)
    detail = _(
        "Something went wrong on our side. If you were sending something, check whether it arrived before you send it "
        "again."
    )
    if wants_json(request):
        return JsonResponse(document(500, "internal", _BROKEN_API), status=500, content_type=PROBLEM)
    return HttpResponse(bare_page(_("Something went wrong"), detail), status=500)


def bare_page(heading: str, detail: str) -> str:
    """A page for whoever cannot have one of the site: it asks no store, and needs no request."""
    return render_to_string("bare.html", {"heading": heading, "detail": detail})


def with_retry_headers(response: HttpResponse, refusal: Refusal, *, method: str | None) -> HttpResponse:
    """The response with headers that say whether and when to send the request again. Of what only reads, nothing is
    final: a program that polls waits, and goes on."""
    if isinstance(refusal, TooMany):
        response["Retry-After"] = str(refusal.retry_after_seconds)
    if refusal.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="api"'
    if (refusal.is_final or refusal.status in (402, 409, 429)) and method not in _SAFE:
        response["x-should-retry"] = "false"
    return response


def problem(refusal: Refusal) -> dict[str, Any]:
    """The document for a refusal."""
    return document(refusal.status, refusal.code, str(refusal), refusal.field or None) | refusal.figures


def document(status: int, code: str, detail: str, param: str | None = None) -> dict[str, Any]:
    """The problem document of an answer, for what is refused outside any view too."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {
        "type": f"https://www.rfc-editor.org/rfc/rfc9110#status.{status}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "error": {"message": detail, "type": kind, "code": code, "param": param},
    }


def api_exception_handler(exception: Exception, context: dict[str, Any]) -> HttpResponse | Response:
    """The answer to everything that an API view raises, as DRF asks for it."""
    asked = "The API"
    is_away = stores_away.valkey_refusal(exception, asked=asked) or stores_away.database_refusal(
        exception, asked=asked, is_api=True
    )
    exception = is_away or _unreadable(exception) or exception
    if isinstance(exception, Refusal):
        response = Response(problem(exception), status=exception.status, content_type=PROBLEM)
        return with_retry_headers(response, exception, method=context["request"].method)
    if isinstance(exception, Http404):
        return _respond(404, "not_found", "There's nothing here, or it isn't yours.")
    if isinstance(exception, (PermissionDenied, exceptions.PermissionDenied)):
        return _respond(403, "forbidden", str(exception) or "This is not allowed.")
    if isinstance(exception, SuspiciousOperation):
        return _respond(400, "bad_request", "This request can't be read.")
    if isinstance(exception, exceptions.MethodNotAllowed):
        allowed = ", ".join(context["view"].allowed_methods)
        return _respond(405, _NO_METHOD, _no_method(context["request"], allowed))
    if isinstance(exception, exceptions.APIException):
        codes = exception.get_codes()
        code = codes if isinstance(codes, str) else "invalid_request"
        return _respond(exception.status_code, code, _sentence(exception.detail))
    logger.exception("The API failed", exc_info=exception)
    return _respond(500, "internal", _BROKEN_API)


def _respond(status: int, code: str, detail: str) -> Response:
    return Response(document(status, code, detail), status=status, content_type=PROBLEM)


def _sentence(detail: Any) -> str:
    if isinstance(detail, dict):
        return " ".join(f"{name}: {_sentence(value)}" for name, value in detail.items())
    if isinstance(detail, list):
        return " ".join(_sentence(value) for value in detail)
    return str(detail)
