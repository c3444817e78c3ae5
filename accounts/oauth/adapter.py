"""What allauth's provider asks of this site: which apps may register, for what, and where they may be sent back to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from allauth.idp.oidc.models import Client
from django.conf import settings
from django.core.exceptions import ValidationError

from accounts.roles import OFFERED_TO_APPS, USUAL_OF_APPS

RESOURCE_PATH: Final = "/mcp"
MOST_REDIRECTS: Final = 10
LONGEST_REDIRECT: Final = 500
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")
_APP_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]+")
_NO_APPS: Final = frozenset(
    {
        *("about", "blob", "data", "file", "filesystem", "ftp", "intent", "javascript", "mailto", "sms", "tel"),
        *("vbscript", "view-source", "ws", "wss"),
    }
)
"""Schemes that browsers and phones read themselves: none opens an app of somebody's."""


class OIDCAdapter(DefaultOIDCAdapter):
    scope_display = {scope.value: scope.label for scope in OFFERED_TO_APPS}

    def get_issuer(self) -> str:
        """The site's own address, whatever host the request named."""
        issuer: str = settings.SITE_URL
        return issuer

    def validate_client_registration(self, *, client: Client, client_metadata: dict[str, Any], **more: Any) -> None:
        """Keep of what an app says only what is used here, and give it what every app has.

        Raises:
            ValidationError: it would be sent back to where no app listens.
        """
        redirects = client.get_redirect_uris()
        said = client_metadata.get("redirect_uris")
        if redirects != said or len(redirects) > MOST_REDIRECTS or not all(map(is_redirect, redirects)):
            raise ValidationError(
                f"redirect_uris are up to {MOST_REDIRECTS} addresses of at most {LONGEST_REDIRECT} characters, without "
                "a fragment: https, http on this machine, or a scheme of the app's own."
            )
        client.name = "".join(letter for letter in " ".join(client.name.split()) if letter.isprintable())
        client.set_scopes([scope.value for scope in OFFERED_TO_APPS])
        client.set_default_scopes([scope.value for scope in USUAL_OF_APPS])
        client.set_response_types([Client.ResponseType.CODE.value])
        client.set_grant_types([Client.GrantType.AUTHORIZATION_CODE.value, Client.GrantType.REFRESH_TOKEN.value])
        client.data = {"dcr": True}

    def validate_resource_uris(self, *, uris: list[str], **more: Any) -> None:
        """Raises ``ValidationError`` where a token is asked for somebody else's site (RFC 8707)."""
        if any(uri.rstrip("/") not in (settings.SITE_URL, settings.SITE_URL + RESOURCE_PATH) for uri in uris):
            raise ValidationError(f"Tokens of this site are for {settings.SITE_URL}{RESOURCE_PATH} alone.")

    def is_cimd_url_allowed(self, url: str) -> bool:
        """No address that an app names is fetched."""
        return False


def is_redirect(uri: str) -> bool:
    """Whether an app may be sent back to ``uri``."""
    if len(uri) > LONGEST_REDIRECT or not _PRINTABLE.fullmatch(uri) or "#" in uri:
        return False
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if "@" in parts.netloc:
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme == "http":
        return host in LOOPBACK
    return bool(_APP_SCHEME.fullmatch(parts.scheme)) and parts.scheme not in _NO_APPS


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether ``uri`` is one of ``registered``, to the letter: save for the port of this machine's own addresses, where
    an app listens at whichever is free (RFC 8252, section 7.3)."""
    return is_redirect(uri) and _without_free_port(uri) in map(_without_free_port, registered)


def host_of(uri: str) -> str | None:
    """The host that ``uri`` leads to; None where it opens an app."""
    parts = urlsplit(uri)
    return parts.hostname if parts.scheme in ("http", "https") else None


def origin_of(uri: str) -> str:
    """Where ``uri`` leads, as a policy of Content-Security-Policy names it."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if host_of(uri) else f"{parts.scheme}:"


def _without_free_port(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1"):
        return urlunsplit(parts._replace(netloc=parts.hostname))
    return uri
