"""What a request would rather have (RFC 7240). ``Prefer: wait=n``: to be answered once what it asks for is done."""

from __future__ import annotations

import re
from typing import Final

from django.http import HttpRequest

MOST_SECONDS: Final = 60.0
_PREFERENCE: Final = re.compile(r"\s*wait\s*(?:=\s*\"?([0-9]{1,9})\"?)?\s*(?:;.*)?", re.IGNORECASE)


def preferred_seconds(request: HttpRequest) -> float:
    """How long the request would rather wait, at most ``MOST_SECONDS``: 0 without such a preference. One that is not
    understood is none, as the RFC has it."""
    for preference in request.headers.get("Prefer", "").split(","):
        found = _PREFERENCE.fullmatch(preference)
        if found is not None:
            return min(MOST_SECONDS, float(found[1])) if found[1] else MOST_SECONDS
    return 0.0
