"""What every page shows of one's credits, and what there are pages of. Lazy, so that a page that does not show it does
not ask for it."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts import networks, tenancy
from accounts.roles import Action
from billing import allowance, ledger
from generation.provider_keys import keeping
from generation.provider_keys.models import ProviderKey
from loremotion.read_through import get_or_make

KEYS_KEPT_SECONDS: Final = 60.0


def credits_left(request: HttpRequest) -> dict[str, Any]:
    """``credits_left.available``, ``credits_left.held`` and ``credits_left.refills_at`` of whoever is asking."""
    return {"credits_left": SimpleLazyObject(lambda: _credits_of(request))}


def what_is_offered(request: HttpRequest) -> dict[str, Any]:
    """``has_provider_keys``: whether workspaces can bring keys for remote models, or this one has some from when they
    could. ``contact_email``: whom people write to, or nothing."""
    return {
        "has_provider_keys": SimpleLazyObject(lambda: keeping.is_offered() or _has_keys(request)),
        "contact_email": settings.CONTACT_EMAIL,
    }


def _has_keys(request: HttpRequest) -> bool:
    """Kept for a while, since each of a workspace's pages asks, and where none can be brought there seldom is one.

    Until then the entry leads to a page without keys, once the last one is removed.
    """
    workspace = tenancy.caller_of(request).workspace
    if workspace is None:
        return False
    own = ProviderKey.objects.of(workspace)
    return get_or_make(f"has-provider-keys:{workspace.id}", own.exists, seconds=KEYS_KEPT_SECONDS)


def _credits_of(request: HttpRequest) -> dict[str, Any]:
    """The caller's credits; for a newcomer, the allowance that the first clip will be taken from."""
    now = timezone.now()
    caller = tenancy.caller_of(request)
    workspace = caller.workspace
    available, held = allowance.daily_credits(None, is_signed_in=request.user.is_authenticated), 0
    if workspace is not None:
        if caller.may(Action.GENERATE):  # who only looks on sets nothing in motion
            allowance.give(workspace, now=now, network=networks.fingerprint_of(request))
        balance = ledger.balance(account=workspace.id)
        available, held = balance.available, balance.held
    return {"available": available, "held": held, "refills_at": allowance.refills_at(now)}
