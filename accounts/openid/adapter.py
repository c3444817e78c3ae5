"""Whom a provider may let in, and what is said where it does not come to that."""

from __future__ import annotations

import hmac
import logging
from typing import Any

from allauth.account.internal.userkit import filter_users_by_email
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.base.constants import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.http import HttpRequest
from django.utils.translation import gettext as _
from jwt import PyJWKClientConnectionError
from requests import RequestException, Session

from loremotion import database
from loremotion.refusals import Conflict, Forbidden, Unavailable

logger = logging.getLogger(__name__)


class SocialAdapter(DefaultSocialAccountAdapter):
    def get_requests_session(self) -> Session:
        """A session for asking a provider."""
        database.give_back()
        session: Session = super().get_requests_session()
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Somebody came back from a provider, and their tokens hold.

        Raises:
            OAuth2Error: the ID token was made for another walk than this.
            Forbidden: nobody has proved that the address is theirs.
            Conflict: it opens an account already, and this provider does not answer for addresses.
        """
        made_for = sociallogin.account.extra_data["id_token"].get("nonce", "")
        if not hmac.compare_digest(str(made_for).encode(), sociallogin.state["nonce"].encode()):
            raise OAuth2Error("The ID token has another nonce.")
        if not sociallogin.is_existing and sociallogin.state["process"] != AuthProcess.CONNECT:
            _refuse_unproved(sociallogin)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """The page for what went wrong: the cause is in the log, the words are for whoever wanted in.

        Raises:
            Refusal: always, but where somebody cancelled, for which allauth has a page.
        """
        if error == AuthError.CANCELLED:
            return
        logger.warning("No sign-in by %s: %s", provider.name, exception or "what came back was not asked for")
        if isinstance(exception, RequestException | PyJWKClientConnectionError):
            raise Unavailable(
                "provider_is_away",
                _("%(name)s isn't responding right now.") % {"name": provider.name},
                next_step=_("Try again in a minute, or sign in by email."),
            )
        raise Forbidden(
            "provider_sign_in_failed",
            _("Signing in with %(name)s didn't work.") % {"name": provider.name},
            next_step=_("Start again from the sign-in page in this browser, or sign in by email."),
        )


def _refuse_unproved(sociallogin: SocialLogin) -> None:
    """Otherwise somebody could begin an account under another's address, and be in it when its owner comes."""
    name = sociallogin.provider.name
    proved = [address.email for address in sociallogin.email_addresses if address.verified]
    if not proved:
        raise Forbidden(
            "email_not_proved",
            _("%(name)s hasn't verified your email address.") % {"name": name},
            next_step=_("Verify it there, or sign up here by email and connect the two on your account page."),
        )
    if any(filter_users_by_email(email) for email in proved):
        raise Conflict(
            "account_exists",
            _("There's already an account with your email address, and %(name)s isn't connected to it.")
            % {"name": name},
            next_step=_("Sign in the way you usually do, then connect the two on your account page."),
        )
