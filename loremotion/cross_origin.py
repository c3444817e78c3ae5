"""What browsers are told of who may ask from elsewhere (CORS). Whose page it may be, ``accounts.origins`` decides."""

from __future__ import annotations

from typing import Final

PREFLIGHT_KEPT_SECONDS: Final = 2 * 60 * 60
"""The longest that browsers keep one."""
METHODS: Final = "GET, HEAD, POST, DELETE"
ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
EXPOSE: Final = "Access-Control-Expose-Headers"
EXPOSED: Final = "*"
"""Every header of an answer, since no cookie comes along; where one did, browsers would take the star for a name."""
PREFLIGHT: Final = {
    ALLOW_ORIGIN: "*",
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": "Authorization, *",  # the star stands for all but that one
    "Access-Control-Max-Age": str(PREFLIGHT_KEPT_SECONDS),
    "Cache-Control": "no-store",  # of caches in between; browsers keep it by the line above
    "Vary": "Origin",
}
"""Headers of the answer to a preflight."""
