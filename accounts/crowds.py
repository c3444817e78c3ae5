"""How many new visitors one network brings in a day, and what that asks of the next.

The first half of what a network may bring comes in freely. From then on a browser works for it (ALTCHA's proof of
work, the longer the larger the crowd), and past the whole nobody new comes in that day. Known visitors and people
never notice.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import redis
from altcha.v1 import ChallengeOptions, Payload, create_challenge, verify_solution
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts import networks
from loremotion.refusals import Forbidden, TooMany
from loremotion.valkey import connection

FIELD = "altcha"
CHALLENGE_LASTS = timedelta(minutes=20)
LEAST_WORK = 20_000
MOST_WORK = 400_000
_DAY_SECONDS = 24 * 3600
_LONGEST_PAYLOAD = 2_000


def admit(request: HttpRequest) -> None:
    """Let one more new visitor in. While Valkey is away everybody may; the daily allowance still bounds each.

    Raises:
        TooMany: the network has brought as many as it may today.
        Forbidden: it has brought many, and no proof of work came along.
    """
    try:
        if newcomers_of(request) >= settings.VISITORS_PER_NETWORK_PER_DAY:
            raise TooMany(
                "too_many_visitors",
                "Many new visitors came from your network today, and the free clips for it are used up.",
                next_step="Come back tomorrow, sign in, or use the browser in which you made your first clip.",
                retry_after_seconds=3600,
            )
        if is_proof_needed(request) and not _is_proved(request):
            raise Forbidden(
                "proof_needed",
                "Many new visitors come from your network, so your browser has to do a small computation first.",
                next_step="Reload this page with JavaScript on and try again, or sign in.",
            )
        pipeline = connection().pipeline(transaction=False)
        pipeline.incr(_counter_of(request))
        pipeline.expire(_counter_of(request), _DAY_SECONDS)
        pipeline.execute()
    except redis.RedisError:
        return


def is_proof_needed(request: HttpRequest) -> bool:
    """Whether the next new visitor of this network has to work for it."""
    try:
        return 2 * newcomers_of(request) >= int(settings.VISITORS_PER_NETWORK_PER_DAY)
    except redis.RedisError:
        return False


def newcomers_of(request: HttpRequest) -> int:
    """New visitors that the caller's network brought today."""
    return int(connection().get(_counter_of(request)) or 0)


def challenge_for(request: HttpRequest) -> dict[str, Any]:
    """A challenge as ALTCHA's widgets take it: for this network, for some minutes, the harder the larger the crowd."""
    share = min(1.0, newcomers_of(request) / settings.VISITORS_PER_NETWORK_PER_DAY)
    made = create_challenge(
        ChallengeOptions(
            hmac_key=_key(),
            max_number=round(LEAST_WORK + (MOST_WORK - LEAST_WORK) * max(0.0, 2 * share - 1)),
            expires=timezone.now() + CHALLENGE_LASTS,
            params={"network": networks.fingerprint_of(request)},
        )
    )
    return dict(made.to_dict())


def _is_proved(request: HttpRequest) -> bool:
    """Whether the request carries a solved challenge of ours, for its network, still good and never used."""
    payload = request.POST.get(FIELD, "")
    if not payload or len(payload) > _LONGEST_PAYLOAD:
        return False
    try:
        is_solved, _ = verify_solution(payload, _key(), check_expires=True)
        solved = Payload.from_base64(payload)
        _, _, said = solved.parse_salt()
    except (ValueError, TypeError, AttributeError, KeyError):
        return False
    if not is_solved or said.get("network") != [networks.fingerprint_of(request)]:
        return False
    lasts_seconds = int(CHALLENGE_LASTS.total_seconds())
    return bool(connection().set(f"crowds:used:{solved.challenge}", "1", nx=True, ex=lasts_seconds))


def _counter_of(request: HttpRequest) -> str:
    return f"crowds:newcomers:{networks.fingerprint_of(request)}"


def _key() -> str:
    return hashlib.sha256(f"accounts.crowds|{settings.SECRET_KEY}".encode()).hexdigest()
