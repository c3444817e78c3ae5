"""What people and programs are told while a store of the site is away."""

from __future__ import annotations

import logging

import redis
from django.utils.translation import gettext as _

from loremotion.database import is_connection_lost
from loremotion.refusals import Unavailable

logger = logging.getLogger(__name__)


def valkey_refusal(error: BaseException | None, *, asked: str) -> Unavailable | None:
    """The refusal of what could not be done because Valkey is away; None of any other error.

    Args:
        asked: names what needed it, for the log.
    """
    if not isinstance(error, redis.RedisError):
        return None
    logger.warning("%s needs Valkey, which is away: %s", asked, error)
    refusal = Unavailable(
        "busy", _("Part of this site is restarting."), next_step=_("Nothing is lost. Try again in a minute.")
    )
    refusal.is_final = True  # it is in Valkey that is noted what was refused
    return refusal


def database_refusal(error: BaseException | None, *, asked: str, is_api: bool) -> Unavailable | None:
    """As ``valkey_refusal``, of PostgreSQL. Whether a COMMIT that nobody answered was made, nobody knows."""
    if not is_connection_lost(error):
        return None
    logger.warning("%s needs the database, which is away: %s", asked, error)
    next_step = _("Try again in a minute. If you were sending something, check first whether it arrived.")
    if is_api:
        next_step = "Try again in a minute, and send what may have arrived with the same Idempotency-Key."
    return Unavailable("busy", _("Part of this site is restarting."), next_step=next_step)
