"""The secret of an attempt: it travels in the job, and whoever reports on the attempt has to know it.

Keyed by ``SECRET_KEY``, so nothing is stored, and one that a fallback key made stays good while that key is in force.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.signing import BadSignature, Signer

_SALT = "generation.attempt"
_MOST_CHARACTERS = 100


def secret_of(generation_id: str, attempt: int) -> str:
    """Return what the worker of this attempt is told, and nobody else."""
    return Signer(salt=_SALT).signature(_signed(generation_id, attempt))


def secrets_of(generation_id: str, attempt: int) -> Iterator[str]:
    """Yield what the worker of this attempt may have been told, under each key that is in force."""
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield Signer(key=key, salt=_SALT).signature(_signed(generation_id, attempt))


def is_secret_of(said: str, generation_id: str, attempt: int) -> bool:
    """Return whether ``said`` is the secret of this attempt, compared in constant time."""
    if not said.isascii() or not 0 < len(said) <= _MOST_CHARACTERS:
        return False
    named = _signed(generation_id, attempt)
    try:
        return Signer(salt=_SALT).unsign(f"{named}:{said}") == named
    except BadSignature:
        return False


def _signed(generation_id: str, attempt: int) -> str:
    return f"{generation_id}-{attempt}"
