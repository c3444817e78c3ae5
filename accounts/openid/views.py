"""The way to a provider and back."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import Http404, HttpRequest, HttpResponse
from jwt import PyJWKClientConnectionError
from requests import RequestException

from accounts.openid import id_tokens

NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
USERINFO = "userinfo_endpoint"


class OpenIDAdapter(OpenIDConnectOAuth2Adapter):
    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider publishes about itself; fetched once a request.

        Raises:
            RequestException: it does not answer.
            OAuth2Error: it answers something else.
        """
        published: Any = super().openid_config
        if not isinstance(published, dict) or not all(isinstance(published.get(name), str) for name in NEEDED):
            raise OAuth2Error("The provider's discovery document is none.")
        return published

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        """Whoever the ID token says it is. What the provider tells beside must be about the same person."""
        id_token = kwargs["response"].get("id_token")
        if not isinstance(id_token, str):
            raise OAuth2Error("The provider sent no ID token.")
        config = self.openid_config
        said = id_tokens.verify(id_token, issuer=config["issuer"], client_id=app.client_id, keys_url=config["jwks_uri"])
        answers = {"id_token": said}
        if USERINFO in config:
            about = self._fetch_user_info(token.token)
            if not isinstance(about, dict) or about.get("sub") != said["sub"]:
                raise OAuth2Error("The provider's userinfo is about somebody else.")
            answers["userinfo"] = about
        return self.get_provider().sociallogin_from_response(request, answers)


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """A page that says where it goes; from there, by POST, to the provider."""
    return _walk(OAuth2LoginView, request, provider_id)


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Where the provider sends the browser back to."""
    return _walk(OAuth2CallbackView, request, provider_id)


def _walk(view: Any, request: HttpRequest, provider_id: str) -> HttpResponse:
    adapter = OpenIDAdapter(request, provider_id)
    try:
        provider = adapter.get_provider()
    except SocialApp.DoesNotExist:
        raise Http404 from None
    try:
        answer: HttpResponse = view.adapter_view(adapter)(request)
    except (OAuth2Error, RequestException, PyJWKClientConnectionError) as error:  # allauth does not expect it here
        answer = render_authentication_error(request, provider, exception=error)
    return answer
