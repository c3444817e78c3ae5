"""How often one caller may ask: the API, for a clip, for a review, for a device by its code. Counted in Valkey: a
restart forgives nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts import networks, tenancy
from accounts.caller import API_PREFIX
from loremotion.errors import refuse
from loremotion.refusals import TooMany, Unauthorized
from loremotion.valkey import connection

WINDOW_SECONDS = 60
"""The last ones, whenever they are looked at: with windows by the clock, twice as many would pass round a minute."""
REPORTS_PER_HOUR: Final = 20
WRONG_CODES_PER_HOUR: Final = 20
"""Of devices (``accounts.device_login``), by one person."""
WRONG_CODES_PER_HOUR_OF_NETWORK: Final = 10 * WRONG_CODES_PER_HOUR
"""By one network, which an office or a campus shares: one person alone does not shut it out."""
UNCOUNTED: Final = ("/account/", "/admin/", "/report/", "/stripe/webhook/", "/worker/")
"""Where forms are sent that have limits of their own (signing in, reports, a GPU host's signed addresses), are the
staff's, or come from Stripe. Every other one makes a row, asks somebody else or takes a processor: whoever sends it is
counted before it is read."""
ASKS_A_PROVIDER: Final = "/account/oidc/"
"""It counts though it lies there: each time the provider is asked what it publishes, for whoever comes."""
CHANGES_NOTHING: Final = frozenset({"/v1/quotes", "/generations/prompt-length/"})
"""Though the method is that of what does."""


READ, CHANGE = "read", "change"
"""What is counted apart: who watches clips can go on asking for others."""
_WHAT = {READ: "to read", CHANGE: "to make or change something"}
_COUNT: Final = """
local now, window, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local made = redis.call('ZCARD', KEYS[1])
local is_counted = made < most
if is_counted then
  redis.call('ZADD', KEYS[1], now, ARGV[4])
  redis.call('PEXPIRE', KEYS[1], window)
  made = made + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {is_counted and 1 or 0, made, math.ceil((tonumber(oldest[2]) or now) + window - now)}
"""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a caller's window: ``left`` requests of one kind now, and one more in ``resets_in_seconds``."""

    kind: str
    left: int
    resets_in_seconds: int
    is_exceeded: bool


class RateLimitMiddleware:
    """Counts every request under ``/v1/`` and every form of a page, before it is looked at, and says how things stand
    (draft-ietf-httpapi-ratelimit-headers).

    While Valkey is away nobody is limited: credits still bound what can be made.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not _is_counted(request):
            return self.get_response(request)
        kind = READ if request.method in _SAFE or request.path in CHANGES_NOTHING else CHANGE
        try:
            allowance = count(kind, caller=_caller_of(request), now=time.time())
        except redis.RedisError:
            return self.get_response(request)
        response = _refusal(request, allowance) if allowance.is_exceeded else self.get_response(request)
        policies = (f'"{kind}";q={most_of(kind)};w={WINDOW_SECONDS}' for kind in (READ, CHANGE))
        response["RateLimit-Policy"] = ", ".join(policies)
        response["RateLimit"] = f'"{kind}";r={allowance.left};t={allowance.resets_in_seconds}'
        return response


def most_of(kind: str) -> int:
    """How many requests of this kind one caller may send in a window."""
    most: int = settings.API_REQUESTS_PER_MINUTE if kind == READ else settings.API_CHANGES_PER_MINUTE
    return most


def count(kind: str, *, caller: str, now: float) -> Allowance:
    """Count one more request of ``caller``, if the window that ends ``now`` allows it. Returns what is left."""
    most, milliseconds = most_of(kind), int(now * 1000)
    arguments = (str(milliseconds), str(WINDOW_SECONDS * 1000), str(most), secrets.token_hex(8))
    answer: Any = connection().eval(_COUNT, 1, f"limits:{kind}:{caller}", *arguments)
    is_counted, made, free_in_milliseconds = answer
    resets_in_seconds = max(1, ceil(free_in_milliseconds / 1000))
    return Allowance(kind, left=max(0, most - made), resets_in_seconds=resets_in_seconds, is_exceeded=not is_counted)


def refuse_many_reports(request: HttpRequest) -> None:
    """Count a report of a clip, which anybody may send, by the network that it comes from.

    Raises:
        TooMany: as many came from there in the last hour as may.
    """
    is_counted, _, seconds = _of_hour(f"report:{networks.fingerprint_of(request)}", most=REPORTS_PER_HOUR)
    if not is_counted:
        raise TooMany(
            "too_many_reports",
            f"{REPORTS_PER_HOUR} reports came from your network in the last hour.",
            next_step="Try again later, or combine related reports into one.",
            retry_after_seconds=seconds,
        )


def refuse_guesser(request: HttpRequest) -> None:
    """Refuse to look for the code of a device for somebody, or a network, of whom too many were wrong.

    Raises:
        TooMany: as many were wrong in the last hour as may be.
    """
    for name, whose, most in _guessers(request):
        _, wrong, seconds = _of_hour(name, most=0)
        if wrong >= most:
            raise TooMany(
                "too_many_wrong_codes",
                f"{most} codes that no device shows came from {whose} in the last hour.",
                next_step="Try again later, or make a key under API keys.",
                retry_after_seconds=seconds,
            )


def count_wrong_code(request: HttpRequest) -> None:
    """Note that somebody signed in typed a code that no device shows."""
    for name, _, most in _guessers(request):
        _of_hour(name, most=most)


def _guessers(request: HttpRequest) -> tuple[tuple[str, str, int], ...]:
    """Under which names wrong codes count, in words whose they are, and how many may be wrong in an hour."""
    return (
        (f"wrong-code:user:{request.user.pk}", "you", WRONG_CODES_PER_HOUR),
        (
            f"wrong-code:network:{networks.fingerprint_of(request)}",
            "your network",
            WRONG_CODES_PER_HOUR_OF_NETWORK,
        ),
    )


def _of_hour(name: str, *, most: int) -> tuple[bool, int, int]:
    """Count one more under ``name`` if there were fewer than ``most`` in the last hour. Returns whether it was counted,
    how many there are now, and seconds until there is one fewer. While Valkey is away nobody is limited."""
    arguments = (str(int(time.time() * 1000)), str(3_600_000), str(most), secrets.token_hex(8))
    try:
        answer: Any = connection().eval(_COUNT, 1, f"limits:{name}", *arguments)
    except redis.RedisError:
        return True, 0, 0
    is_counted, made, free_in_milliseconds = answer
    return bool(is_counted), made, max(1, ceil(free_in_milliseconds / 1000))


def _caller_of(request: HttpRequest) -> str:
    """The name that requests are counted under: the key, else the workspace, else the network."""
    try:
        caller = tenancy.caller_of(request)
    except Unauthorized:
        caller = None
    if caller is not None and caller.key is not None:
        return f"key:{caller.key.id}"
    if caller is not None and caller.workspace is not None:
        return f"workspace:{caller.workspace.id}"
    return f"network:{networks.fingerprint_of(request)}"


def _is_counted(request: HttpRequest) -> bool:
    has_limits = request.path.startswith(UNCOUNTED) and not request.path.startswith(ASKS_A_PROVIDER)
    is_form = request.method == "POST" and not has_limits
    return is_form or request.path.startswith(API_PREFIX)


def _refusal(request: HttpRequest, allowance: Allowance) -> HttpResponse:
    refusal = TooMany(
        "rate_limited",
        f"You've sent more than {most_of(allowance.kind)} requests {_WHAT[allowance.kind]} in a minute.",
        next_step=f"Wait {allowance.resets_in_seconds} seconds.",
        retry_after_seconds=allowance.resets_in_seconds,
    )
    return refuse(request, refusal)
