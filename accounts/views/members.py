"""Members of the workspace one is in, and invitations into it."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import invitations, members, seats, tenancy
from accounts.forms import InviteForm, MembershipForm
from accounts.models import Invitation, Membership, User
from accounts.permissions import member_may
from accounts.roles import Action
from loremotion.refusals import Refusal


@require_safe
@member_may(Action.READ_CREDITS)
def listing(request: HttpRequest, membership: Membership) -> HttpResponse:
    return _page(request, membership, InviteForm())


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def invite(request: HttpRequest, membership: Membership) -> HttpResponse:
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            invitations.invite(workspace=membership.workspace, by=membership, **form.cleaned_data)
        except Refusal as refusal:
            form.add_error(None, str(refusal))
            return _page(request, membership, form, status=refusal.status)
        messages.success(request, _("We've invited %(email)s.") % {"email": form.cleaned_data["email"]})
        return redirect("accounts:members")
    return _page(request, membership, form, status=422)


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def resend(request: HttpRequest, membership: Membership, invitation_id: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, id=invitation_id, workspace=membership.workspace)
    invitations.resend(invitation, by=membership.user)
    messages.success(request, _("We've sent %(email)s a new link.") % {"email": invitation.email})
    return redirect("accounts:members")


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def withdraw(request: HttpRequest, membership: Membership, invitation_id: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, id=invitation_id, workspace=membership.workspace)
    invitations.withdraw(invitation, actor=membership.user.email)
    return redirect("accounts:members")


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def change(request: HttpRequest, membership: Membership, member_id: int) -> HttpResponse:
    other = get_object_or_404(Membership.objects.select_related("user"), id=member_id, workspace=membership.workspace)
    form = MembershipForm(request.POST)
    if form.is_valid():
        members.change(membership=other, by=membership, **form.cleaned_data)
        messages.success(request, _("Saved changes to %(email)s.") % {"email": other.user.email})
        return redirect("accounts:members")
    problems = " ".join(str(problem) for found in form.errors.values() for problem in found)
    messages.error(request, f"{other.user.email}: {problems}")
    return _page(request, membership, InviteForm(), status=422)


@require_POST
@member_may(Action.MANAGE_MEMBERS)
def remove(request: HttpRequest, membership: Membership, member_id: int) -> HttpResponse:
    other = get_object_or_404(Membership.objects.select_related("user"), id=member_id, workspace=membership.workspace)
    keys = members.remove(membership=other, by=membership)
    messages.success(request, _("%(email)s has been removed.") % {"email": other.user.email})
    if keys:
        messages.warning(
            request,
            ngettext(
                "%(count)s API key created by %(email)s still works: it belongs to the team. "
                "You can revoke keys under API keys.",
                "%(count)s API keys created by %(email)s still work: they belong to the team. "
                "You can revoke keys under API keys.",
                len(keys),
            )
            % {"count": len(keys), "email": other.user.email},
        )
    return redirect("accounts:members")


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link in the mail. Whoever is not signed in is sent to do so, and comes back."""
    found = invitations.invited_with(token)
    if found is None:
        raise Http404
    user = request.user
    if request.method == "POST" and isinstance(user, User):
        membership = invitations.accept(found, user=user)
        tenancy.switch(request, membership.workspace)
        messages.success(request, _("Welcome to %(title)s.") % {"title": membership.workspace.title})
        return redirect("generation:home")
    return render(request, "accounts/invitation.html", {"invitation": found})


def _page(request: HttpRequest, membership: Membership, form: InviteForm, status: int = 200) -> HttpResponse:
    context = {
        "membership": membership,
        "workspace": membership.workspace,
        "members": Membership.objects.filter(workspace=membership.workspace).select_related("user").order_by("id"),
        "invitations": Invitation.objects.filter(workspace=membership.workspace).order_by("-id"),
        "seats_taken": seats.count_taken(membership.workspace),
        "seats_allowed": seats.seat_limit(membership.workspace),
        "form": form,
        "roles": InviteForm.base_fields["role"].choices,  # type: ignore[attr-defined]
    }
    return render(request, "accounts/members.html", context, status=status)
