"""Cloudflare's Turnstile: their script in the form, their word on the answer.

They are told the answer and our key, not the address that it came from. The site key is good for this site's names
alone and an answer for one check within minutes: both are theirs to enforce.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

import requests
from django.conf import settings
from django.http import HttpRequest

from accounts.proofs.refusals import ProofIsAway, not_proved
from loremotion import database

logger = logging.getLogger(__name__)

FIELD = "cf-turnstile-response"
TIMEOUT_SECONDS = (3.0, 5.0)
"""To connect, and for each wait for an answer."""
_LONGEST_ANSWER = 2_048
_NOT_THE_CALLERS_FAULT = {"missing-input-secret", "invalid-input-secret", "bad-request", "internal-error"}


class Turnstile:
    template = "accounts/proofs/turnstile.html"

    @property
    def site_key(self) -> str:
        return str(settings.TURNSTILE_SITE_KEY)

    @property
    def script(self) -> str:
        return f"{settings.TURNSTILE_API_BASE}/turnstile/v0/api.js"

    def challenge(self, request: HttpRequest, *, crowding: float) -> dict[str, Any]:
        """Their widget gets its own; this names what to show."""
        return {"turnstile_site_key": self.site_key}

    def check(self, request: HttpRequest) -> None:
        answer = request.POST.get(FIELD, "")
        if not answer or len(answer) > _LONGEST_ANSWER:
            raise not_proved()
        verdict = _verdict(answer)
        codes = verdict.get("error-codes")
        errors = {str(code) for code in codes} if isinstance(codes, list) else set()
        if verdict.get("success") is True:
            return
        if errors & _NOT_THE_CALLERS_FAULT or not errors:
            logger.error("Turnstile does not check answers: %s", sorted(errors) or "it said nothing that we know")
            raise ProofIsAway
        raise not_proved()


def _verdict(answer: str) -> dict[str, Any]:
    """What their server says of it.

    Raises:
        ProofIsAway: it says nothing in time, or nothing that can be read.
    """
    asked = {"secret": settings.TURNSTILE_SECRET_KEY, "response": answer, "idempotency_key": str(uuid.uuid4())}
    database.give_back()  # while they are asked
    try:
        told = requests.post(
            f"{settings.TURNSTILE_API_BASE}/turnstile/v0/siteverify",
            data=asked,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        ).json()
    except (requests.RequestException, ValueError) as error:
        logger.warning("Turnstile does not answer: %s", error)
        raise ProofIsAway from error
    return told if isinstance(told, dict) else {}
