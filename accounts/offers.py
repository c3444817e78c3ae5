"""Offers of a place in a team that still hold."""

from __future__ import annotations

from typing import Final

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.models import Invitation, Membership
from accounts.roles import BY_ROLE, Action

_INVITING: Final = [role for role, actions in BY_ROLE.items() if Action.MANAGE_MEMBERS in actions]


def open_offers() -> QuerySet[Invitation]:
    """Those that can be accepted. Whoever offered must be one who may: else they would come back by another address."""
    may_offer = Membership.objects.filter(
        workspace=OuterRef("workspace"), user=OuterRef("invited_by"), user__is_active=True, role__in=_INVITING
    )
    return Invitation.objects.select_related("workspace", "invited_by").filter(
        Exists(may_offer), expires_at__gt=timezone.now(), workspace__closed_at=None, workspace__suspended_at=None
    )
