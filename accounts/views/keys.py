"""API keys of the workspace one is in."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import api_keys, request_log, tenancy
from accounts.forms import KeyForm, KeyTermsForm
from accounts.models import ApiKey, Membership
from accounts.permissions import member_may
from accounts.roles import Action
from loremotion.refusals import Refusal


@require_safe
@member_may(Action.MANAGE_KEYS)
def listing(request: HttpRequest, membership: Membership) -> HttpResponse:
    return _page(request, membership, KeyForm())


@require_safe
@member_may(Action.MANAGE_KEYS)
def requests(request: HttpRequest, membership: Membership, key_id: int) -> HttpResponse:
    """What a key asked last, and how it was answered."""
    key = get_object_or_404(ApiKey, id=key_id, workspace=membership.workspace)
    context = {"workspace": membership.workspace, "key": key, "requests": request_log.last_requests(key)}
    return render(request, "accounts/key_requests.html", {**context, "most": request_log.MOST_KEPT})


@require_POST
@never_cache
@member_may(Action.MANAGE_KEYS)
def issue(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Issue a key and show it, once: there is no address to come back to."""
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _page(request, membership, form, status=422)
    allowed = tenancy.caller_of(request).actions
    try:
        _key, text = api_keys.issue(workspace=membership.workspace, by=membership.user, allowed=allowed, **form.terms())
    except Refusal as refusal:
        form.add_refusal(refusal)
        return _page(request, membership, form, status=refusal.status)
    return _page(request, membership, KeyForm(), text=text)


@require_POST
@never_cache
@member_may(Action.MANAGE_KEYS)
def rotate(request: HttpRequest, membership: Membership, key_id: int) -> HttpResponse:
    key = get_object_or_404(ApiKey, id=key_id, workspace=membership.workspace)
    _key, text = api_keys.rotate(key=key, by=membership.user, allowed=tenancy.caller_of(request).actions)
    return _page(request, membership, KeyForm(), text=text)


@require_POST
@member_may(Action.MANAGE_KEYS)
def change(request: HttpRequest, membership: Membership, key_id: int) -> HttpResponse:
    """Give a key other limits and origins."""
    key = get_object_or_404(ApiKey, id=key_id, workspace=membership.workspace)
    form = KeyTermsForm(request.POST)
    if form.is_valid():
        api_keys.change_terms(key=key, by=membership.user, **form.cleaned_data)
        messages.success(request, _("Saved %(name)s.") % {"name": key.name})
        return redirect("accounts:keys")
    problems = " ".join(str(problem) for found in form.errors.values() for problem in found)
    messages.error(request, f"{key.name}: {problems}")
    return _page(request, membership, KeyForm(), status=422)


@require_POST
@member_may(Action.MANAGE_KEYS)
def revoke(request: HttpRequest, membership: Membership, key_id: int) -> HttpResponse:
    api_keys.revoke(
        key=get_object_or_404(ApiKey, id=key_id, workspace=membership.workspace), actor=membership.user.email
    )
    return redirect("accounts:keys")


def _page(
    request: HttpRequest, membership: Membership, form: KeyForm, *, text: str = "", status: int = 200
) -> HttpResponse:
    spent = import_string(settings.KEY_SPENDING)(membership.workspace)
    context = {
        "workspace": membership.workspace,
        "keys": [(key, spent.get(key.line_id)) for key in api_keys.live(membership.workspace)],
        "ended": api_keys.ended_keys(membership.workspace),
        "form": form,
        "text": text,
        "site": settings.SITE_URL,
    }
    return render(request, "accounts/keys.html", context, status=status)
