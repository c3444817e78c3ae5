"""How often one caller may ask: the API, for a clip, for a review, for a device by its code. Counted in Valkey: a
restart forgives nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

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
KEYS_TOGETHER: Final = 4
"""How many times as often as one key all keys of its workspace may ask together: keys are made for the asking."""
_COUNT: Final = """
local now, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local left, tightest
for at, name in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', name, '-inf', now - window)
  local left_here = tonumber(ARGV[3 + at]) - redis.call('ZCARD', name)
  if not left or left_here < left then left, tightest = left_here, at end
end
local is_counted = left > 0
if is_counted then
  for _, name in ipairs(KEYS) do
    redis.call('ZADD', name, now, ARGV[3])
    redis.call('PEXPIRE', name, window)
  end
  left = left - 1
end
local oldest = redis.call('ZRANGE', KEYS[tightest], 0, 0, 'WITHSCORES')
return {is_counted and 1 or 0, tightest, left, math.ceil((tonumber(oldest[2]) or now) + window - now)}
"""
"""Counts one more under each of several names, if every one has room. Answers for the one with the least."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a caller's window: ``left`` requests of one kind now, and one more in ``resets_in_seconds``.

    Of a key it is the workspace's where its keys together have less left than this one.
    """

    kind: str
    left: int
    resets_in_seconds: int
    is_exceeded: bool
    is_of_workspace: bool = False


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
            caller, workspace = _caller_of(request)
            allowance = count(kind, caller=caller, workspace=workspace, now=time.time())
        except redis.RedisError:
            return self.get_response(request)
        response = _refusal(request, allowance) if allowance.is_exceeded else self.get_response(request)
        bounds = (False, True) if workspace else (False,)
        policies = [
            f'"{_policy(kind, of_workspace)}";q={most_of(kind, of_workspace=of_workspace)};w={WINDOW_SECONDS}'
            for of_workspace in bounds
            for kind in (READ, CHANGE)
        ]
        response["RateLimit-Policy"] = ", ".join(policies)
        counted = _policy(kind, allowance.is_of_workspace)
        response["RateLimit"] = f'"{counted}";r={allowance.left};t={allowance.resets_in_seconds}'
        return response


def most_of(kind: str, *, of_workspace: bool = False) -> int:
    """How many requests of this kind one caller may send in a window, or all keys of one workspace together."""
    most: int = settings.API_REQUESTS_PER_MINUTE if kind == READ else settings.API_CHANGES_PER_MINUTE
    return KEYS_TOGETHER * most if of_workspace else most


def count(kind: str, *, caller: str, now: float, workspace: str = "") -> Allowance:
    """Count one more request of ``caller``, if the window that ends ``now`` allows it. Returns what is left.

    Args:
        workspace: that of a key, whose others count beside it; empty where there are none.
    """
    most = {f"limits:{kind}:{caller}": most_of(kind)}
    if workspace:
        most[f"limits:{kind}:keys-of:{workspace}"] = most_of(kind, of_workspace=True)
    is_counted, tightest, left, seconds = _count(most, now=now, window_seconds=WINDOW_SECONDS)
    return Allowance(kind, max(0, left), seconds, is_exceeded=not is_counted, is_of_workspace=tightest > 0)


def _count(most: Mapping[str, int], *, now: float, window_seconds: int) -> tuple[bool, int, int, int]:
    """Count one more under each name if there were fewer than its most in the window. Returns whether it was counted;
    of the name with the least left its place in ``most``, how many are left, and seconds until there is one more."""
    arguments = (str(int(now * 1000)), str(window_seconds * 1000), secrets.token_hex(8), *map(str, most.values()))
    answer: Any = connection().eval(_COUNT, len(most), *most, *arguments)
    is_counted, place, left, free_in_milliseconds = answer
    return bool(is_counted), place - 1, left, max(1, ceil(free_in_milliseconds / 1000))


def refuse_many_reports(request: HttpRequest) -> None:
    """Count a report of a clip, which anybody may send, by the network that it comes from.

    Raises:
        TooMany: as many came from there in the last hour as may.
    """
    is_counted, _count_now, seconds = _of_hour(f"report:{networks.fingerprint_of(request)}", most=REPORTS_PER_HOUR)
    if not is_counted:
        raise TooMany(
            "too_many_reports",
            _("%(most)s reports came from your network in the last hour.") % {"most": REPORTS_PER_HOUR},
            next_step=_("Try again later, or combine related reports into one."),
            retry_after_seconds=seconds,
        )


def refuse_guesser(request: HttpRequest) -> None:
    """Refuse to look for the code of a device for somebody, or a network, of whom too many were wrong.

    Raises:
        TooMany: as many were wrong in the last hour as may be.
    """
    for name, words, most in _guessers(request):
        _is_counted, wrong, seconds = _of_hour(name, most=0)
        if wrong >= most:
            raise TooMany(
                "too_many_wrong_codes",
                words % {"most": most},
                next_step=_("Try again later, or make a key under API keys."),
                retry_after_seconds=seconds,
            )


def count_wrong_code(request: HttpRequest) -> None:
    """Note that somebody signed in typed a code that no device shows."""
    for name, _words, most in _guessers(request):
        _of_hour(name, most=most)


def _guessers(request: HttpRequest) -> tuple[tuple[str, str, int], ...]:
    """Under which names wrong codes count, what is said of too many, and how many may be wrong in an hour."""
    return (
        (
            f"wrong-code:user:{request.user.pk}",
            _("%(most)s codes that no device shows came from you in the last hour."),
            WRONG_CODES_PER_HOUR,
        ),
        (
            f"wrong-code:network:{networks.fingerprint_of(request)}",
            _("%(most)s codes that no device shows came from your network in the last hour."),
            WRONG_CODES_PER_HOUR_OF_NETWORK,
        ),
    )


def _of_hour(name: str, *, most: int) -> tuple[bool, int, int]:
    """Count one more under ``name`` if there were fewer than ``most`` in the last hour. Returns whether it was counted,
    how many there are now, and seconds until there is one fewer. While Valkey is away nobody is limited."""
    try:
        is_counted, _place, left, seconds = _count({f"limits:{name}": most}, now=time.time(), window_seconds=3600)
    except redis.RedisError:
        return True, 0, 0
    return is_counted, most - left, seconds


def _policy(kind: str, of_workspace: bool) -> str:
    """What a limit is called in headers."""
    return f"workspace-{kind}" if of_workspace else kind


def _caller_of(request: HttpRequest) -> tuple[str, str]:
    """The name that requests are counted under: the key, else the workspace, else the network. And of a key its
    workspace, else nothing."""
    try:
        caller = tenancy.caller_of(request)
    except Unauthorized:
        caller = None
    if caller is not None and caller.key is not None:
        return f"key:{caller.key.id}", str(caller.key.workspace_id)
    if caller is not None and caller.workspace is not None:
        return f"workspace:{caller.workspace.id}", ""
    return f"network:{networks.fingerprint_of(request)}", ""


def _is_counted(request: HttpRequest) -> bool:
    has_limits = request.path.startswith(UNCOUNTED) and not request.path.startswith(ASKS_A_PROVIDER)
    is_form = request.method == "POST" and not has_limits
    return is_form or request.path.startswith(API_PREFIX)


def _refusal(request: HttpRequest, allowance: Allowance) -> HttpResponse:
    most = most_of(allowance.kind, of_workspace=allowance.is_of_workspace)
    is_reading = allowance.kind == READ
    if allowance.is_of_workspace:
        words = (
            _("All keys of this workspace together have sent more than %(most)s requests to read in a minute.")
            if is_reading
            else _(
                "All keys of this workspace together have sent more than %(most)s requests to make or change something "
                "in a minute."
            )
        )
    elif is_reading:
        words = _("You've sent more than %(most)s requests to read in a minute.")
    else:
        words = _("You've sent more than %(most)s requests to make or change something in a minute.")
    wait_seconds = allowance.resets_in_seconds
    refusal = TooMany(
        "rate_limited",
        words % {"most": most},
        next_step=ngettext("Wait %(count)s seconds.", "Wait %(count)s seconds.", wait_seconds)
        % {"count": wait_seconds},
        retry_after_seconds=wait_seconds,
    )
    return refuse(request, refusal)
