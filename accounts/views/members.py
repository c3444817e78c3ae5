"""Members of the workspace one is in, and invitations into it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import invitations, members, seats, tenancy
from accounts.forms import InviteForm, PlaceForm
from accounts.models import Invitation, Membership, User
from accounts.permissions import member_may
from accounts.roles import Action
from loremotion.refusals import Refusal


@require_safe
@member_may(Action.READ_CREDITS)
def listing(request: HttpRequest, place: Membership) -> HttpResponse:
    return _page(request, place, InviteForm())


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def invite(request: HttpRequest, place: Membership) -> HttpResponse:
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            invitations.invite(workspace=place.workspace, by=place, **form.cleaned_data)
        except Refusal as refusal:
            form.add_error(None, str(refusal))
            return _page(request, place, form, status=refusal.status)
        messages.success(request, f"{form.cleaned_data['email']} is invited.")
        return redirect("accounts:members")
    return _page(request, place, form, status=422)


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def resend(request: HttpRequest, place: Membership, invitation_id: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, id=invitation_id, workspace=place.workspace)
    invitations.resend(invitation, by=place.user)
    messages.success(request, f"{invitation.email} has a new link.")
    return redirect("accounts:members")


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def withdraw(request: HttpRequest, place: Membership, invitation_id: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, id=invitation_id, workspace=place.workspace)
    invitations.withdraw(invitation, actor=place.user.email)
    return redirect("accounts:members")


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def change(request: HttpRequest, place: Membership, member_id: int) -> HttpResponse:
    other = get_object_or_404(Membership.objects.select_related("user"), id=member_id, workspace=place.workspace)
    form = PlaceForm(request.POST)
    if form.is_valid():
        members.change(place=other, by=place, **form.cleaned_data)
        messages.success(request, f"{other.user.email} is changed.")
        return redirect("accounts:members")
    problems = " ".join(str(problem) for found in form.errors.values() for problem in found)
    messages.error(request, f"{other.user.email}: {problems}")
    return _page(request, place, InviteForm(), status=422)


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def remove(request: HttpRequest, place: Membership, member_id: int) -> HttpResponse:
    other = get_object_or_404(Membership.objects.select_related("user"), id=member_id, workspace=place.workspace)
    keys = members.remove(place=other, by=place)
    messages.success(request, f"{other.user.email} is no member any more.")
    if keys:
        number = f"{len(keys)} API key{'s' * (len(keys) > 1)}"
        go_on = "goes on: it is the team's" if len(keys) == 1 else "go on: they are the team's"
        messages.warning(request, f"{number} that {other.user.email} made {go_on}. The page of keys revokes.")
    return redirect("accounts:members")


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Behind the link in the mail. Whoever is not signed in sees where to, and comes back here."""
    found = invitations.invited_with(token)
    if found is None:
        raise Http404
    user = request.user
    if request.method == "POST" and isinstance(user, User):
        place = invitations.accept(found, user=user)
        tenancy.switch(request, place.workspace)
        messages.success(request, f"Welcome to {place.workspace.title}.")
        return redirect("generation:home")
    return render(request, "accounts/invitation.html", {"invitation": found})


def _page(request: HttpRequest, place: Membership, form: InviteForm, status: int = 200) -> HttpResponse:
    context = {
        "place": place,
        "workspace": place.workspace,
        "members": Membership.objects.filter(workspace=place.workspace).select_related("user").order_by("id"),
        "invitations": Invitation.objects.filter(workspace=place.workspace).order_by("-id"),
        "seats_taken": seats.count_taken(place.workspace),
        "seats_allowed": seats.allowed(place.workspace),
        "form": form,
        "roles": InviteForm.base_fields["role"].choices,  # type: ignore[attr-defined]
    }
    return render(request, "accounts/members.html", context, status=status)
