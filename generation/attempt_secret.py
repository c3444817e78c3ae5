"""The secret of an attempt: it travels in the job, and whoever reports on the attempt has to know it.

Keyed by ``SECRET_KEY``, so nothing is stored, and one that a fallback key made stays good while that key is in force.
"""

from __future__ import annotations

from django.core.signing import BadSignature, Signer

from gpu_worker.contract import job_id

_SALT = "generation.attempt"
_MOST_CHARACTERS = 100


def secret_of(generation_id: str, attempt: int) -> str:
    """Return what the worker of this attempt is told, and nobody else."""
    return Signer(salt=_SALT).signature(job_id(generation_id, attempt))


def is_secret_of(said: str, generation_id: str, attempt: int) -> bool:
    """Return whether ``said`` is the secret of this attempt, compared in constant time."""
    if not said.isascii() or not 0 < len(said) <= _MOST_CHARACTERS:
        return False
    named = job_id(generation_id, attempt)
    try:
        return Signer(salt=_SALT).unsign(f"{named}:{said}") == named
    except BadSignature:
        return False
