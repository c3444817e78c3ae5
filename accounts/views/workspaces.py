"""Workspaces: switch between them, begin a team, rename it, hand it over, close it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import members, tenancy, workspaces
from accounts.forms import ConfirmForm, NameForm, PrivacyForm
from accounts.models import Membership, User
from accounts.permissions import member_may
from accounts.roles import Action
from loremotion.row_number import row_number


@require_safe
@login_required
def listing(request: HttpRequest) -> HttpResponse:
    """Every workspace of this person, and the form for a team."""
    return render(
        request, "accounts/workspaces.html", {"memberships": members.memberships_of(_user(request)), "form": NameForm()}
    )


@require_POST
@login_required
def begin(request: HttpRequest) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        own = members.memberships_of(_user(request))
        return render(request, "accounts/workspaces.html", {"memberships": own, "form": form}, status=422)
    team = workspaces.begin_team(name=form.cleaned_data["name"], owner=_user(request))
    tenancy.switch(request, team)
    return redirect("accounts:members")


@require_POST
@login_required
def switch(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    membership = next((one for one in members.memberships_of(_user(request)) if one.workspace_id == workspace_id), None)
    if membership is None:
        raise Http404
    tenancy.switch(request, membership.workspace)
    messages.success(request, _("You're now in %(title)s.") % {"title": membership.workspace.title})
    return redirect("generation:home")


@require_safe
@member_may(Action.READ_CREDITS)
def settings(request: HttpRequest, membership: Membership) -> HttpResponse:
    return _settings_page(request, membership)


@require_POST
@member_may(Action.RENAME)
def rename(request: HttpRequest, membership: Membership) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return _settings_page(request, membership, naming=form, status=422)
    workspaces.rename(membership.workspace, name=form.cleaned_data["name"], actor=membership.user.email)
    return redirect("accounts:settings")


@require_POST
@member_may(Action.RENAME)
def privacy(request: HttpRequest, membership: Membership) -> HttpResponse:
    form = PrivacyForm(request.POST)
    if not form.is_valid():
        return _settings_page(request, membership, privacy=form, status=422)
    workspaces.set_privacy(membership.workspace, actor=membership.user.email, **form.cleaned_data)
    return redirect("accounts:settings")


@require_POST
@member_may(Action.TRANSFER)
def transfer(request: HttpRequest, membership: Membership) -> HttpResponse:
    others = Membership.objects.filter(workspace=membership.workspace).select_related("user")
    heir = get_object_or_404(others, id=row_number(request.POST.get("to")))
    workspaces.transfer(workspace=membership.workspace, owner=membership, to=heir)
    messages.success(
        request, _("%(email)s now owns %(title)s.") % {"email": heir.user.email, "title": membership.workspace.title}
    )
    return redirect("accounts:settings")


@require_POST
@member_may(Action.READ_CREDITS)
def leave(request: HttpRequest, membership: Membership) -> HttpResponse:
    members.remove(membership=membership, by=membership)
    messages.success(request, _("You've left %(title)s.") % {"title": membership.workspace.title})
    return redirect("accounts:workspaces")


@require_POST
@member_may(Action.CLOSE)
def close(request: HttpRequest, membership: Membership) -> HttpResponse:
    form = ConfirmForm(request.POST, word=membership.workspace.title)
    if not form.is_valid():
        return _settings_page(request, membership, closing=form, status=422)
    workspaces.close(membership.workspace, actor=membership.user.email)
    return redirect("accounts:settings")


@require_POST
@member_may(Action.CLOSE)
def reopen(request: HttpRequest, membership: Membership) -> HttpResponse:
    workspaces.reopen(membership.workspace, actor=membership.user.email)
    return redirect("accounts:settings")


def _settings_page(
    request: HttpRequest,
    membership: Membership,
    *,
    naming: NameForm | None = None,
    closing: ConfirmForm | None = None,
    privacy: PrivacyForm | None = None,
    status: int = 200,
) -> HttpResponse:
    workspace = membership.workspace
    others = (
        Membership.objects.filter(workspace=workspace).exclude(id=membership.id).select_related("user").order_by("id")
    )
    context = {
        "membership": membership,
        "workspace": workspace,
        "others": others,
        "naming": naming or NameForm(initial={"name": workspace.title}),
        "privacy": privacy or PrivacyForm(initial={"is_private": "yes" if workspace.makes_private_clips else "no"}),
        "closing": closing or ConfirmForm(word=workspace.title),
        "erased_at": workspace.closed_at + workspaces.CLOSING_LASTS if workspace.closed_at else None,
        "grace_days": workspaces.CLOSING_LASTS.days,
    }
    return render(request, "accounts/settings.html", context, status=status)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
