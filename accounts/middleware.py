"""Sets or takes away the visitor's cookie on the way out."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts import visitors
from accounts.models import Visitor


class VisitorMiddleware:
    """The cookie goes with whatever answer the view gives, also when it refused after making the visitor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        visitor: Visitor | None = getattr(request, "visitor_to_set", None)
        if visitor is not None:
            visitors.set_cookie(response, visitor)
        elif getattr(request, "is_visitor_to_forget", False):
            response.delete_cookie(visitors.COOKIE, samesite="Lax")
        return response
