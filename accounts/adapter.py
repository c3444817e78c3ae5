"""What allauth asks of this site: where people come from, what they bring along, where they go."""

from __future__ import annotations

import base64
import logging
import secrets
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest, HttpResponse

from accounts import bans, claiming, language, networks, sign_in_mail, visitors, workspaces
from accounts.email_addresses import is_address
from accounts.models import User
from loremotion import encryption

logger = logging.getLogger(__name__)

SECOND_FACTORS = "accounts.second_factor"
SEALED = "sealed:"
UNKNOWN_ACCOUNT = "account/email/unknown_account"


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in by whatever way (password, code, passkey, another provider) ends in ``post_login``."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """The first address of the caller's network: attempts count by network, and no session keeps a full address."""
        return networks.prefix_of(request)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether staff lets this caller sign up, by whatever way. A ban keeps nobody from an account that is there."""
        return bans.against(request, visitors.visitor_of(request)) is None

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Write the mail into the outbox: no page waits for a mail server, or breaks where there is none.

        For an address without an account it does the same work and sends nothing, so that timing tells nothing.
        """
        request = self.request
        said = {"request": request, "email": email, "current_site": get_current_site(request), **context}
        words = self.render_mail(template_prefix, email, said)
        if template_prefix == UNKNOWN_ACCOUNT:
            sign_in_mail.write_to_nobody(subject=words.subject, text=words.body)
            return
        user = context.get("user") or User.objects.filter(is_address(email)).first()
        sign_in_mail.write(
            user=user, address=email, subject=words.subject, text=words.body, holds_code="code" in context
        )

    def send_notification_mail(self, template_prefix: str, user: AbstractBaseUser, *mail: Any, **more: Any) -> None:
        """Mail the owner of the account about a new way of signing in, and note it in their workspace's audit log."""
        assert isinstance(user, User)
        workspaces.note_about(user, f"account.{template_prefix.rpartition('/')[2]}", request=self.request)
        super().send_notification_mail(template_prefix, user, *mail, **more)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Log the network from which a sign-in failed, and not whose it was."""
        logger.warning("A sign-in failed, from the network of %s", networks.prefix_of(request))
        super().authentication_failed(request, **credentials)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """The key that failures count under: address and network, so that a stranger elsewhere locks nobody out."""
        key: str = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key}:{networks.prefix_of(request)}"

    def send_account_already_exists_mail(self, email: str) -> None:
        """Mail whoever signs up again, after as much work as a new account takes, whose password is hashed."""
        make_password(secrets.token_urlsafe())
        super().send_account_already_exists_mail(email)

    def pre_login(self, request: HttpRequest, user: AbstractBaseUser, **how: Any) -> HttpResponse | None:
        """Drop the password when an account is first opened by a mailed code.

        Somebody else may have signed up under the address and know the password: it opens nothing from then on. Staff,
        whom nobody signs up, keep what they were given.
        """
        assert isinstance(user, User)
        records = get_authentication_records(request, user)
        if user.last_login is None and not user.is_staff and records and records[-1]["method"] == "code":
            user.set_unusable_password()
            user.save(update_fields=["password"])
        answer: HttpResponse | None = super().pre_login(request, user, **how)
        return answer

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **how: Any) -> HttpResponse:
        assert isinstance(user, User)
        claiming.welcome(request, user)
        response: HttpResponse = super().post_login(request, user, **how)
        language.welcome(request, user, response)
        return response


class MFAAdapter(DefaultMFAAdapter):
    """Seeds of authenticator apps and recovery codes are sealed, so that a backup of the database makes no codes."""

    def encrypt(self, text: str) -> str:
        return SEALED + encryption.seal(text, purpose=SECOND_FACTORS)

    def decrypt(self, encrypted_text: str) -> str:
        """The seed or codes in plain; random ones, which no code fits, where they were sealed under a lost key."""
        if not encrypted_text.startswith(SEALED):
            return encrypted_text  # set up before seeds were sealed
        try:
            return encryption.unseal(encrypted_text.removeprefix(SEALED), purpose=SECOND_FACTORS)
        except encryption.Unreadable:
            logger.error("A second factor was set up under another SECRET_KEY: see SECRET_KEY_FALLBACKS.")
            return base64.b32encode(secrets.token_bytes(20)).decode()
