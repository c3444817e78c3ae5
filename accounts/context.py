"""What every page may ask about whoever looks at it. Lazy: a page that does not ask costs no query."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts import mailbox, networks, newcomer_limits, proofs, tenancy
from accounts.caller import Caller
from accounts.roles import Action

OFFERING_PASSKEYS = {"account_login", "account_signup", "account_reauthenticate"}
"""Pages that offer a passkey, beside those of ``mfa``."""


def caller(request: HttpRequest) -> dict[str, Any]:
    """``caller`` and ``may``: templates say ``{% if may.manage_keys %}`` and read the same table as the views."""
    return {
        "caller": SimpleLazyObject(lambda: tenancy.caller_of(request)),
        "may": SimpleLazyObject(lambda: _permissions(tenancy.caller_of(request))),
        "proof_is_needed": SimpleLazyObject(lambda: _is_newcomer(request) and newcomer_limits.is_proof_needed(request)),
        "proof": proofs.chosen_proof(),
        "mail_is_shown": mailbox.is_shown_to(request),
        "address_for_passkeys": _address_for_passkeys(request),
    }


def _address_for_passkeys(request: HttpRequest) -> str:
    """The page's address under ``localhost`` where it was opened by number: browsers tie passkeys to names alone."""
    view = request.resolver_match.view_name if request.resolver_match is not None else ""
    if not (view in OFFERING_PASSKEYS or view.startswith("mfa_")):
        return ""
    if not settings.IS_ONE_MACHINE or not networks.is_loopback(request):
        return ""
    here = request.build_absolute_uri()
    return here.replace("//127.0.0.1", "//localhost", 1) if "//127.0.0.1" in here else ""


def _is_newcomer(request: HttpRequest) -> bool:
    return tenancy.caller_of(request).workspace is None and not request.user.is_authenticated


def _permissions(caller: Caller) -> dict[str, bool]:
    return {action.value: caller.may(action) for action in Action}
