"""The secret of an endpoint: made, sealed, and used to sign by the Standard Webhooks specification.

What is stored must sign, so it cannot be a digest; it is sealed (``loremotion.encryption``).
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from standardwebhooks import Webhook

from generation.webhooks.models import Endpoint
from loremotion import encryption

PREFIX = "whsec_"
PURPOSE = "generation.outbox.signing"
"""Part of the key that stored secrets are sealed with: whoever changes it makes every one of them unreadable."""


class Unreadable(Exception):
    """The secret was sealed under another ``SECRET_KEY``: it takes a new one."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def hint(secret: str) -> str:
    """The secret's last characters, by which its owner recognises it."""
    return f"{PREFIX}…{secret[-5:]}"


def seal(secret: str) -> str:
    return encryption.seal(secret, purpose=PURPOSE)


def unseal(sealed: str) -> str:
    """Raises:
    Unreadable: neither ``SECRET_KEY`` nor ``SECRET_KEY_FALLBACKS`` opens it.
    """
    try:
        return encryption.unseal(sealed, purpose=PURPOSE)
    except encryption.Unreadable:
        raise Unreadable("The endpoint's secret cannot be read. Rotate it.") from None


def headers(endpoint: Endpoint, *, event_id: str, body: str, now: datetime) -> dict[str, str]:
    """Id, time, and a signature with each secret that holds, the newest first.

    Raises:
        Unreadable: as ``unseal``.
    """
    sealed = [endpoint.sealed_secret]
    if endpoint.old_sealed_secret and endpoint.old_secret_until is not None and endpoint.old_secret_until > now:
        sealed.append(endpoint.old_sealed_secret)
    signatures = [Webhook(unseal(each)).sign(event_id, now, body) for each in sealed]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
