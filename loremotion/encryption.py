"""Secrets that have to be read again, so that no digest will do: encrypted with a key derived from ``SECRET_KEY``.

A backup of the database alone opens none of them.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unreadable(Exception):
    """Sealed under another ``SECRET_KEY``, or not sealed at all."""


def seal(secret: str, *, purpose: str) -> str:
    """Encrypt a secret. ``purpose`` gives each kind a key of its own, and is needed again to open it."""
    return _seals(purpose).encrypt(secret.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """Raises:
    Unreadable: neither ``SECRET_KEY`` nor ``SECRET_KEY_FALLBACKS`` opens it.
    """
    try:
        return _seals(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def _seals(purpose: str) -> MultiFernet:
    return _seals_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS), purpose)


@lru_cache(maxsize=8)
def _seals_of(keys: tuple[str, ...], purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key, purpose)) for key in keys])


def _derived(key: str, purpose: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
    return base64.urlsafe_b64encode(kdf.derive(key.encode()))
