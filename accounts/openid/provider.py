"""What is asked of a provider, and which of its answers count."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string

from accounts.openid.views import OpenIDAdapter


class OpenIDProvider(OpenIDConnectProvider):
    oauth2_adapter_class = OpenIDAdapter

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **_: Any
    ) -> HttpResponse:
        """Send the browser there with a nonce that its session keeps. What the address asks for beside, allauth's
        ``scope`` and ``auth_params``, is not passed on, and what it says of the purpose is taken for one of two: a link
        must not change what we ask for, nor what we check."""
        process = AuthProcess.CONNECT if process == AuthProcess.CONNECT else AuthProcess.LOGIN
        nonce = get_random_string(32)
        answer: HttpResponse = super().redirect(
            request, process, next_url, data, auth_params={"nonce": nonce}, nonce=nonce
        )
        return answer

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        """The addresses that the provider names. ``"false"`` in a string, as some say it, counts as not verified."""
        addresses: list[EmailAddress] = super().extract_email_addresses(data)
        for address in addresses:
            address.verified = address.verified in (True, "true")
        return addresses
