"""Whether an ID token is what it should be (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

from typing import Any

import jwt
from allauth.socialaccount import app_settings
from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from loremotion import database

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that only the provider can make: neither ``none`` nor one by a secret that we know too."""
LEEWAY_SECONDS = 60
KEYS_TIMEOUT_SECONDS = 5


def verify(token: str, *, issuer: str, client_id: str, keys_url: str) -> dict[str, Any]:
    """The claims of an ID token, verified: ``issuer`` signed it a moment ago for ``client_id``.

    Raises:
        OAuth2Error: it is not certain. The cause is for the log, not for whoever came with it.
        PyJWKClientConnectionError: the provider's keys cannot be had now.
    """
    try:
        database.give_back()  # while the provider is asked
        key = jwt.PyJWKClient(keys_url, timeout=KEYS_TIMEOUT_SECONDS).get_signing_key_from_jwt(token)
        said: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=issuer,
            audience=client_id,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.PyJWKClientConnectionError:
        raise
    except jwt.PyJWTError as error:
        raise OAuth2Error(f"The ID token does not hold: {error}") from error
    is_for_us_alone = said["aud"] in (client_id, [client_id])
    if said.get("azp", client_id if is_for_us_alone else None) != client_id:
        raise OAuth2Error("The ID token was made for somebody else.")
    if not 0 < len(said["sub"]) <= app_settings.UID_MAX_LENGTH:
        raise OAuth2Error("The ID token names nobody, or has a name too long to keep.")
    return said
