"""What somebody who has just signed up has not tried yet: shown beside the prompt box for a while, or until closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.caller import Caller
from accounts.models import ApiKey, Invitation, Membership, Workspace
from accounts.roles import Action
from generation.models import Generation, State

LASTS: Final = timedelta(days=14)
"""From signing up."""
_CLOSED: Final = "checklist-closed"
_CLOSED_SECONDS: Final = 60 * 24 * 3600
"""Longer than it could be shown again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try."""

    words: str
    address: str
    is_done: bool


def steps_of(request: HttpRequest, caller: Caller) -> list[Step]:
    """What to try, in order. None where all is done or closed, or the account is not new. One query at most."""
    user, workspace = caller.user, caller.workspace
    if user is None or workspace is None or user.joined_at < timezone.now() - LASTS or _CLOSED in request.COOKIES:
        return []
    if not caller.may(Action.GENERATE):
        return []
    own = Generation.objects.filter(workspace=OuterRef("pk"))
    others = Membership.objects.filter(workspace=OuterRef("pk")).exclude(user=user)
    done = (
        Workspace.objects.filter(id=workspace.id)
        .values_list(
            Exists(own.filter(state=State.SUCCEEDED)),
            Exists(own.filter(is_favourite=True)),
            Exists(ApiKey.objects.filter(workspace=OuterRef("pk"))),
            Exists(Invitation.objects.filter(workspace=OuterRef("pk"))),
            Exists(others),
        )
        .first()
    )
    has_clip, has_favourite, has_key, has_invited, has_others = done or (True,) * 5
    steps = [
        Step(_("Make your first clip"), reverse("generation:home"), has_clip),
        Step(_("Keep a favourite: press the heart on its page"), reverse("generation:history"), has_favourite),
    ]
    if caller.may(Action.MANAGE_KEYS):
        steps.append(Step(_("Create an API key"), reverse("accounts:keys"), has_key))
    if workspace.is_team and caller.may(Action.MANAGE_MEMBERS):  # nobody else is in a workspace of one's own
        steps.append(Step(_("Invite somebody"), reverse("accounts:members"), has_invited or has_others))
    return [] if all(step.is_done for step in steps) else steps


@require_POST
def close(request: HttpRequest) -> HttpResponse:
    """Show the list no more in this browser."""
    response = redirect("generation:home")
    response.set_cookie(
        _CLOSED, "1", max_age=_CLOSED_SECONDS, secure=request.is_secure(), httponly=True, samesite="Lax"
    )
    return response
