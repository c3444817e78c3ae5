"""A refusal: the one kind of error that the person asking can do something about.

Services raise it; ``loremotion.errors`` turns it into a page or into a problem document. It lives apart from that
module so that an app can raise it without importing the frame's rendering.
"""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """Something asked for cannot be done, and the message says why and what to do next.

    Args:
        code: stable name for machines, ``snake_case``.
        message: the cause, for a person.
        next_step: what to do about it, for a person; may be empty.
        field: the request's field it is about, where there is one.
        figures: what was counted, for machines: members of the problem document.
    """

    status = 400
    is_final = False
    """Whether a client must not retry by itself, since its retry might be given what another request made."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        next_step: str = "",
        field: str = "",
        figures: Mapping[str, int | bool] | None = None,
    ) -> None:
        super().__init__(f"{message} {next_step}".strip())
        self.code = code
        self.message = message
        self.next_step = next_step
        self.field = field
        self.figures = dict(figures or {})

    def __str__(self) -> str:  # whoever catches it may know a better next step
        return f"{self.message} {self.next_step}".strip()


class Invalid(Refusal):
    """A value in the request cannot be used."""

    status = 422


class InsufficientCredits(Refusal):
    """The account holds less than the price."""

    status = 402


class Conflict(Refusal):
    """The object is not in a state in which this can be done."""

    status = 409


class TooLarge(Refusal):
    """More was sent than is taken."""

    status = 413


class TooMany(Refusal):
    """Asked too often; comes with the time after which to ask again.

    Args:
        retry_after_seconds: whole seconds until asking again makes sense.
    """

    status = 429

    def __init__(self, code: str, message: str, *, retry_after_seconds: int, next_step: str = "") -> None:
        super().__init__(code, message, next_step=next_step)
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(Refusal):
    """The caller's key or cookie does not hold."""

    status = 401


class Forbidden(Refusal):
    """The caller is known, and may not do this."""

    status = 403


class Unavailable(Refusal):
    """Something that this needs does not answer now, here or elsewhere."""

    status = 503
