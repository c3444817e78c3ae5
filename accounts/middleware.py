"""Puts the visitor's cookie on the answer that made the visitor."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts import visitors
from accounts.models import Visitor


class VisitorMiddleware:
    """Sets the cookie on the way out when a view made a new visitor, also when that view then refused."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        visitor: Visitor | None = getattr(request, "new_visitor", None)
        if visitor is not None:
            visitors.set_cookie(response, visitor)
        return response
