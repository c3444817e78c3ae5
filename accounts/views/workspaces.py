"""Workspaces: switch between them, begin a team, rename it, hand it over, close it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import members, tenancy, workspaces
from accounts.forms import ConfirmForm, NameForm, PrivacyForm
from accounts.models import Membership, User
from accounts.permissions import member_may
from accounts.roles import Action
from loremotion.row_number import row_number


@require_safe
@login_required
def places(request: HttpRequest) -> HttpResponse:
    """Every workspace of this person, and the form for a team."""
    return render(
        request, "accounts/workspaces.html", {"places": members.places_of(_user(request)), "form": NameForm()}
    )


@require_POST
@login_required
def begin(request: HttpRequest) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        own = members.places_of(_user(request))
        return render(request, "accounts/workspaces.html", {"places": own, "form": form}, status=422)
    team = workspaces.begin_team(name=form.cleaned_data["name"], owner=_user(request))
    tenancy.switch(request, team)
    return redirect("accounts:members")


@require_POST
@login_required
def switch(request: HttpRequest, workspace_id: UUID) -> HttpResponse:
    place = next((one for one in members.places_of(_user(request)) if one.workspace_id == workspace_id), None)
    if place is None:
        raise Http404
    tenancy.switch(request, place.workspace)
    messages.success(request, f"You are in {place.workspace.title} now.")
    return redirect("generation:home")


@require_safe
@member_may(Action.READ_CREDITS)
def settings(request: HttpRequest, place: Membership) -> HttpResponse:
    return _settings_page(request, place)


@require_POST
@member_may(Action.RENAME)
def rename(request: HttpRequest, place: Membership) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return _settings_page(request, place, naming=form, status=422)
    workspaces.rename(place.workspace, name=form.cleaned_data["name"], actor=place.user.email)
    return redirect("accounts:settings")


@require_POST
@member_may(Action.RENAME)
def privacy(request: HttpRequest, place: Membership) -> HttpResponse:
    form = PrivacyForm(request.POST)
    if not form.is_valid():
        return _settings_page(request, place, privacy=form, status=422)
    workspaces.set_privacy(place.workspace, actor=place.user.email, **form.cleaned_data)
    return redirect("accounts:settings")


@require_POST
@member_may(Action.TRANSFER)
def transfer(request: HttpRequest, place: Membership) -> HttpResponse:
    others = Membership.objects.filter(workspace=place.workspace).select_related("user")
    heir = get_object_or_404(others, id=row_number(request.POST.get("to")))
    workspaces.transfer(workspace=place.workspace, owner=place, to=heir)
    messages.success(request, f"{place.workspace.title} is {heir.user.email}'s now.")
    return redirect("accounts:settings")


@require_POST
@member_may(Action.READ_CREDITS)
def leave(request: HttpRequest, place: Membership) -> HttpResponse:
    members.remove(place=place, by=place)
    messages.success(request, f"You have left {place.workspace.title}.")
    return redirect("accounts:workspaces")


@require_POST
@member_may(Action.CLOSE)
def close(request: HttpRequest, place: Membership) -> HttpResponse:
    form = ConfirmForm(request.POST, word=place.workspace.title)
    if not form.is_valid():
        return _settings_page(request, place, closing=form, status=422)
    workspaces.close(place.workspace, actor=place.user.email)
    return redirect("accounts:settings")


@require_POST
@member_may(Action.CLOSE)
def reopen(request: HttpRequest, place: Membership) -> HttpResponse:
    workspaces.reopen(place.workspace, actor=place.user.email)
    return redirect("accounts:settings")


def _settings_page(
    request: HttpRequest,
    place: Membership,
    *,
    naming: NameForm | None = None,
    closing: ConfirmForm | None = None,
    privacy: PrivacyForm | None = None,
    status: int = 200,
) -> HttpResponse:
    workspace = place.workspace
    others = Membership.objects.filter(workspace=workspace).exclude(id=place.id).select_related("user").order_by("id")
    context = {
        "place": place,
        "workspace": workspace,
        "others": others,
        "naming": naming or NameForm(initial={"name": workspace.name}),
        "privacy": privacy or PrivacyForm(initial={"is_private": "yes" if workspace.makes_private_clips else "no"}),
        "closing": closing or ConfirmForm(word=workspace.title),
        "erased_at": workspace.closed_at + workspaces.CLOSING_LASTS if workspace.closed_at else None,
        "grace_days": workspaces.CLOSING_LASTS.days,
    }
    return render(request, "accounts/settings.html", context, status=status)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
