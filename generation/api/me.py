"""``GET /v1/me``: whose key it is, and what is left of its caps and of the credits."""

from __future__ import annotations

from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tenancy
from accounts.caller import Caller
from accounts.models import ApiKey, Workspace
from accounts.roles import Action
from billing import statements
from billing.plans import entitlements
from billing.shop.budgets import Period
from generation.api.base import VideoView
from generation.submission import spending_caps
from generation.submission.spending_caps import Cap

HIDDEN: Final = "This key may not see the workspace's credits: that takes the scope billing-read. Its caps are told."


class Me(VideoView):
    """Any key may ask, whatever it is good for: it is told of itself."""

    def get(self, request: Request) -> Response:
        caller = tenancy.caller_of(self.site_request)
        tenancy.refuse_nobody(self.site_request, caller)
        caps = {cap.period: cap for cap in spending_caps.caps_of(caller)}
        may = entitlements(caller.workspace.id if caller.workspace is not None else None)
        return Response(
            {
                "object": "me",
                "workspace": _workspace(caller.workspace),
                "key": _key(caller.key),
                "plan": may.plan,
                "most_open_clips": may.open_clips,
                "cap": _cap(caps.get(Period.MONTH)),
                "daily_cap": _cap(caps.get(Period.DAY)),
                "credits": (seen := _credits(caller)),
                "credits_hidden": HIDDEN if seen is None and caller.workspace is not None else None,
            }
        )


def _workspace(workspace: Workspace | None) -> dict[str, Any] | None:
    if workspace is None:
        return None
    return {"id": str(workspace.id), "kind": workspace.kind, "name": workspace.name}


def _key(key: ApiKey | None) -> dict[str, Any] | None:
    if key is None:
        return None
    ends = int(key.expires_at.timestamp()) if key.expires_at is not None else None
    said = {"name": key.name, "prefix": key.prefix, "scopes": key.scopes, "origins": key.origins}
    return {**said, "expires_at": ends}


def _cap(cap: Cap | None) -> dict[str, int] | None:
    """What a cap of the caller's own leaves in its period; None without one."""
    if cap is None:
        return None
    name = "daily_credits" if cap.period == Period.DAY else "monthly_credits"
    return {name: cap.credits, "spent": cap.spent, "left": cap.left}


def _credits(caller: Caller) -> dict[str, int] | None:
    """What the workspace holds, by its ledger; None for whoever may not see that."""
    workspace = caller.reach(Action.READ_CREDITS)
    if workspace is None:
        return None
    kept = statements.balance(account=workspace.id)
    return {"available": kept.available, "held": kept.held, "owed": kept.debt}
