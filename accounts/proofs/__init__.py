"""How a newcomer's browser shows that letting it in is not letting in a thousand: by work, or by somebody's word.

ALTCHA asks nobody else and is the default. Turnstile takes its place once it has its two keys in the settings.
"""

from __future__ import annotations

from typing import Any, Protocol

from django.conf import settings
from django.http import HttpRequest

from accounts.proofs.altcha import Altcha
from accounts.proofs.turnstile import Turnstile


class Proof(Protocol):
    template: str
    """What the newcomer's form includes; it finds the proof itself as ``proof``."""

    def challenge(self, request: HttpRequest, *, crowding: float) -> dict[str, Any]:
        """What the browser has to work on, as JSON. ``crowding`` is how near its network is to its limit, 0 to 1."""

    def check(self, request: HttpRequest) -> None:
        """Let the request pass if it carries a good answer, which is then used up.

        Raises:
            Forbidden: it carries none, or a wrong one.
            ProofIsAway: nobody can say at the moment.
        """


def chosen_proof() -> Proof:
    """The proof that this installation asks for."""
    return Turnstile() if settings.TURNSTILE_SECRET_KEY else Altcha()
