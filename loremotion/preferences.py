"""What a request would rather have. ``Prefer: wait=n`` (RFC 7240): to be answered once what it asks for is done.
``Cancel-After``: that it be cancelled if it is not done by then; written as Replicate writes it."""

from __future__ import annotations

import re
from typing import Final

from django.http import HttpRequest

from loremotion.refusals import Invalid

MOST_SECONDS: Final = 60.0
_PREFERENCE: Final = re.compile(r"\s*wait\s*(?:=\s*\"?([0-9]{1,9})\"?)?\s*(?:;.*)?", re.IGNORECASE)


SHORTEST_LIFE_SECONDS: Final = 5
LONGEST_LIFE_SECONDS: Final = 7 * 86_400
_LIFE: Final = re.compile(r"(?=.)(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s?)?", re.ASCII)


def cancel_after_seconds(request: HttpRequest) -> int | None:
    """How long what it asks for may take, as ``Cancel-After`` says it: ``90``, ``90s``, ``15m``, ``1h30m``. None
    without that header.

    Raises:
        Invalid: it says no such time. Whoever sends it relies on it.
    """
    said = request.headers.get("Cancel-After")
    if said is None:
        return None
    found = _LIFE.fullmatch(said.strip())
    seconds = (
        sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    )
    if not SHORTEST_LIFE_SECONDS <= seconds <= LONGEST_LIFE_SECONDS:
        raise Invalid(
            "invalid_cancel_after",
            "Cancel-After can't be used as it is.",
            next_step="Send a time from 5s to 168h, such as 90s, 15m or 1h30m.",
        )
    return seconds


def preferred_seconds(request: HttpRequest) -> float:
    """How long the request would rather wait, at most ``MOST_SECONDS``: 0 without such a preference. One that is not
    understood is none, as the RFC has it."""
    for preference in request.headers.get("Prefer", "").split(","):
        found = _PREFERENCE.fullmatch(preference)
        if found is not None:
            return min(MOST_SECONDS, float(found[1])) if found[1] else MOST_SECONDS
    return 0.0
