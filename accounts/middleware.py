"""Sets or takes away the visitor's cookie on the way out."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts import visitors
from accounts.caller import state_of


class VisitorMiddleware:
    """The cookie goes with whatever answer the view gives, also when it refused after making the visitor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        state = state_of(request)
        if state.visitor_to_set is not None:
            visitors.set_cookie(response, state.visitor_to_set)
        elif state.is_visitor_to_forget:
            response.delete_cookie(visitors.COOKIE, samesite="Lax")
        return response
