"""What can go wrong. Everything derives from ``LoreMotionError``; what the site refused is an ``ApiError``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from loremotion.objects import Video


class LoreMotionError(Exception):
    """Base of all errors of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[LoreMotionError], args: tuple[Any, ...], state: dict[str, Any]) -> LoreMotionError:
    """An error that comes from another process."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class NotConfigured(LoreMotionError):
    """There is no API key or no site to use it at, or what was given cannot be one."""


class ConnectionFailed(LoreMotionError):
    """The site could not be reached, or the connection broke, each time that it was tried."""


class WaitTimedOut(LoreMotionError):
    """The clip was not ready within the time that the caller gave. It is still being made."""


class ClipFailed(LoreMotionError):
    """The clip ended without a video. ``video.error`` says why; its message is this error's."""

    def __init__(self, video: Video) -> None:
        super().__init__(video.error.message if video.error else f"The clip was {video.state}.")
        self.video = video


class ApiError(LoreMotionError):
    """The site answered with an error. The message names the cause and the next step."""

    def __init__(self, message: str, *, status: int, code: str, param: str | None, request_id: str) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP."""
        self.code = code
        """For programs: stays the same when the wording changes."""
        self.param = param
        """The field that is at fault, where it is one."""
        self.request_id = request_id
        """Names the request in the site's log; quote it when you report a fault."""


class InvalidRequest(ApiError):
    """Something in the request is not understood (400) or cannot be done (422)."""


class AuthenticationError(ApiError):
    """The API key is missing, wrong or revoked."""


class OutOfCredits(ApiError):
    """The workspace has too few credits for what was asked."""


class PermissionDenied(ApiError):
    """The API key's scopes or the person's role do not allow it."""


class NotFound(ApiError):
    """There is no such thing, or it belongs to somebody else."""


class Conflict(ApiError):
    """Not in the state in which the thing is: a clip that is not ready cannot be downloaded."""


class RateLimited(ApiError):
    """Too many requests, or too many clips at once."""

    retry_after_seconds: float = 0.0


class ServerError(ApiError):
    """The site failed, or is away for the moment."""

    retry_after_seconds: float = 0.0


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: AuthenticationError,
    402: OutOfCredits,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
}


def error_of(response: httpx.Response) -> ApiError:
    """The error for an answer whose body has been read; also for one that a proxy wrote."""
    said = {} if response.is_redirect else _problem_of(response)
    kind = ServerError if response.status_code >= 500 else _BY_STATUS.get(response.status_code, ApiError)
    error = kind(
        said.get("message") or _unsaid(response),
        status=response.status_code,
        code=said.get("code") or "",
        param=said.get("param"),
        request_id=response.headers.get("x-request-id", ""),
    )
    if isinstance(error, RateLimited | ServerError):
        error.retry_after_seconds = retry_after_seconds(response) or 0.0
    return error


def not_a_site(host: str) -> LoreMotionError:
    """The error for an answer of something else than the API."""
    return LoreMotionError(f"{host} did not answer as a LoreMotion site does. Is base_url right?")


def retry_after_seconds(response: httpx.Response) -> float | None:
    """What the answer asks to wait; None where it says nothing that is a number."""
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _unsaid(response: httpx.Response) -> str:
    host = response.request.url.host
    if response.is_redirect:
        return f"{host} sends on to {response.headers.get('location', '')}. Use that address as base_url."
    return f"{host} answered {response.status_code} {response.reason_phrase}."


def _problem_of(response: httpx.Response) -> dict[str, str]:
    try:
        error = response.json()["error"]
        said = {name: error.get(name) for name in ("message", "code", "param")}
        return {name: value for name, value in said.items() if isinstance(value, str)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
