"""What a view asks for before it does anything: a workspace, and the right to do this there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts import tenancy
from accounts.models import Membership
from accounts.roles import Action
from loremotion.refusals import Forbidden

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
MemberView = Callable[Concatenate[HttpRequest, Membership, P], HttpResponse]


def member_may(action: Action) -> Callable[[MemberView[P]], View[P]]:
    """Decorate a view for signed-in members who may do ``action`` in their workspace. It is given their membership.

    Others sign in first, or are refused with who may.
    """

    def decorate(view: MemberView[P]) -> View[P]:
        @wraps(view)
        def door(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            _workspace, caller = tenancy.ensure(request, action)
            if caller.membership is None:  # staff that looks on
                raise Forbidden(
                    "members_only", _("This page is for members of a workspace."), next_step=_("Stop viewing first.")
                )
            return view(request, caller.membership, *args, **kwargs)

        return door

    return decorate
