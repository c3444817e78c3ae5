"""Login by a code: the site is opened in whatever browser is at hand, and this machine is given a key of its own."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import httpx

from loremotion.connection import TIMEOUT_SECONDS
from loremotion.errors import ConnectionFailed, LoreMotionError, RateLimited, ServerError, error_of, not_a_site

SLOWER_BY_SECONDS = 5.0
"""Between two requests from then on, once the site has said that there were too many (RFC 8628, 3.5)."""


def key_from(address: str, *, show: Callable[[str, str], None]) -> str | None:
    """A key of whoever agrees; None where the site knows no such login.

    Args:
        show: is given the page to open and the code to compare.

    Raises:
        LoreMotionError: it was denied, took too long, or the site cannot be reached.
    """
    with httpx.Client(base_url=address, timeout=TIMEOUT_SECONDS) as http:
        begun = _post(http, "/v1/device_logins", {"name": f"loremotion on {socket.gethostname()}"[:80]})
        if begun is None:
            return None
        show(begun["verification_uri_complete"], begun["user_code"])
        return _claimed(http, begun)


def _claimed(http: httpx.Client, begun: dict[str, Any]) -> str:
    """Ask until somebody has decided or the code's time is over, whatever becomes of single requests meanwhile."""
    ends_at = time.monotonic() + begun["expires_in"]
    pause = interval = float(begun["interval"])
    may_be_lost = False
    while (left := ends_at - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = interval
        try:
            claimed = _post(http, "/v1/device_logins/claim", {"device_code": begun["device_code"]}) or {}
        except RateLimited as problem:
            interval += SLOWER_BY_SECONDS
            pause = max(interval, problem.retry_after_seconds)
            continue
        except ServerError as problem:
            may_be_lost = True
            pause = max(interval, problem.retry_after_seconds)
            continue
        except ConnectionFailed:
            may_be_lost = True
            continue
        if claimed.get("status") == "approved":
            return str(claimed["api_key"])
        if claimed.get("status") == "denied":
            raise LoreMotionError("The login was denied.")
        if claimed.get("status") != "pending":
            break
    if may_be_lost:
        raise LoreMotionError(
            "The code has expired, and the site's answer with the key may have been lost on its way. "
            f"If you had agreed, revoke the new key at {http.base_url.join('/workspace/keys/')} . Then begin anew."
        )
    raise LoreMotionError("The code has expired. Begin anew.")


def _post(http: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """The answer; None where there is no such address."""
    try:
        response = http.post(path, json=body)
    except httpx.RequestError as problem:
        raise ConnectionFailed(f"{http.base_url.host} can't be reached: {problem}") from problem
    if response.status_code in (404, 405):
        return None
    if not response.is_success:
        raise error_of(response)
    try:
        said = response.json()
    except ValueError as problem:
        raise not_a_site(http.base_url.host) from problem
    if not isinstance(said, dict) or said.get("object") != "device_login":
        raise not_a_site(http.base_url.host)
    return said
