"""What the API answers when it does not do what was asked."""

from __future__ import annotations

from typing import Any


class StripeRefused(Exception):
    """A request is refused, in Stripe's words: HTTP ``status`` with an ``error`` object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        parameter: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.was_tried = False
        """Whether it came of doing what was asked, and not of how it was asked."""
        self.body: dict[str, Any] = {"error": {"type": kind, "message": message, "code": code, "param": parameter}}


def not_found(object_id: str) -> StripeRefused:
    return StripeRefused(f"No such object: '{object_id}'", status=404, code="resource_missing", parameter="id")


def declined() -> StripeRefused:
    return StripeRefused("Your card was declined.", status=402, kind="card_error", code="card_declined")
