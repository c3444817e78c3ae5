"""How many new visitors one network brings in a day, and what that asks of the next.

The first half of what a network may bring comes in freely. From then on a browser brings a proof (see
``accounts.proofs``), and past the whole nobody new comes in that day. Known visitors and people never notice.
"""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import networks, proofs
from loremotion.refusals import TooMany
from loremotion.valkey import connection

_DAY_SECONDS = 24 * 3600


def admit(request: HttpRequest) -> None:
    """Count one more new visitor, or refuse. While Valkey is away all pass; the daily allowance still bounds each.

    Raises:
        TooMany: the network has brought as many as it may today.
        Forbidden, ProofIsAway: it has brought many, and no proof came along, or none that can be checked now.
    """
    try:
        if newcomers_of(request) >= settings.VISITORS_PER_NETWORK_PER_DAY:
            raise _used_up()
        if is_proof_needed(request):
            proofs.chosen_proof().check(request)
        pipeline = connection().pipeline(transaction=False)
        pipeline.incr(_counter_of(request))
        pipeline.expire(_counter_of(request), _DAY_SECONDS)
        brought: int = pipeline.execute()[0]
    except redis.RedisError:
        return
    if brought > settings.VISITORS_PER_NETWORK_PER_DAY:  # others of the network were asked at the same moment
        raise _used_up()


def is_proof_needed(request: HttpRequest) -> bool:
    """Whether the next new visitor of this network has to bring a proof."""
    try:
        return 2 * newcomers_of(request) >= int(settings.VISITORS_PER_NETWORK_PER_DAY)
    except redis.RedisError:
        return False


def newcomers_of(request: HttpRequest) -> int:
    """New visitors that the caller's network brought today."""
    return int(connection().get(_counter_of(request)) or 0)


def challenge_for(request: HttpRequest) -> dict[str, Any]:
    """What the next new visitor of this network has to answer. While Valkey is away it is the least there is."""
    try:
        crowding = min(1.0, newcomers_of(request) / settings.VISITORS_PER_NETWORK_PER_DAY)
    except redis.RedisError:
        crowding = 0.0
    return proofs.chosen_proof().challenge(request, crowding=crowding)


def _used_up() -> TooMany:
    return TooMany(
        "too_many_visitors",
        _("Your network has used up its free clips for new visitors today."),
        next_step=_("Come back tomorrow, sign in, or use the browser you made your first clip in."),
        retry_after_seconds=3600,
    )


def _counter_of(request: HttpRequest) -> str:
    return f"crowds:newcomers:{networks.fingerprint_of(request)}"
