"""ALTCHA: proof of work, hosted here and asking nobody. The larger the crowd, the longer the work."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from altcha.v1 import ChallengeOptions, Payload, create_challenge, verify_solution
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from accounts import networks
from accounts.proofs.refusals import not_proved
from loremotion.valkey import connection

FIELD = "altcha"
CHALLENGE_LASTS = timedelta(minutes=20)
LEAST_WORK = 20_000
MOST_WORK = 400_000
_LONGEST_PAYLOAD = 2_000


class Altcha:
    template = "accounts/proofs/altcha.html"

    def challenge(self, request: HttpRequest, *, crowding: float) -> dict[str, Any]:
        """As ALTCHA's widgets take it: for this network, for some minutes."""
        made = create_challenge(
            ChallengeOptions(
                hmac_key=_key(),
                max_number=round(LEAST_WORK + (MOST_WORK - LEAST_WORK) * max(0.0, 2 * crowding - 1)),
                expires=timezone.now() + CHALLENGE_LASTS,
                params={"network": networks.fingerprint_of(request)},
            )
        )
        return dict(made.to_dict())

    def check(self, request: HttpRequest) -> None:
        """Whether it is a solved challenge of ours, for this network, still good and never used."""
        payload = request.POST.get(FIELD, "")
        if not payload or len(payload) > _LONGEST_PAYLOAD:
            raise not_proved()
        try:
            is_solved, _ = verify_solution(payload, _key(), check_expires=True)
            solved = Payload.from_base64(payload)
            _, _, said = solved.parse_salt()
        except (ValueError, TypeError, AttributeError, KeyError):
            raise not_proved() from None
        if not is_solved or said.get("network") != [networks.fingerprint_of(request)]:
            raise not_proved()
        lasts_seconds = int(CHALLENGE_LASTS.total_seconds())
        if not connection().set(f"crowds:used:{solved.challenge}", "1", nx=True, ex=lasts_seconds):
            raise not_proved()


def _key() -> str:
    return hashlib.sha256(f"accounts.crowds|{settings.SECRET_KEY}".encode()).hexdigest()
