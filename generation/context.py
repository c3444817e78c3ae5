"""What every page shows of one's credits. Lazy, so that a page that does not show it does not ask for it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts import networks, tenancy
from accounts.roles import Action
from billing import allowance, ledger


def credits_left(request: HttpRequest) -> dict[str, Any]:
    """``credits_left.available``, ``credits_left.held`` and ``credits_left.refills_at`` of whoever is asking."""
    return {"credits_left": SimpleLazyObject(lambda: _credits_of(request))}


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
