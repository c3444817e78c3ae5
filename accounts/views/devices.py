"""Where somebody types the code that a program shows, and gives it a key of the workspace one is in."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import device_login, limits, networks
from accounts.forms import DeviceForm
from accounts.models import Membership
from accounts.permissions import member_may
from accounts.roles import Action, Scope
from loremotion.refusals import Refusal

SCOPES: Final = [Scope.READ, Scope.GENERATE]
"""Ticked beforehand: what it takes to make clips. Whoever lets a program see payments ticks that themselves."""
KEY_LASTS: Final = timedelta(days=90)
"""Unless somebody says otherwise: a key that was given away by mistake, or forgotten, ends."""


@require_http_methods(["GET", "POST"])
@never_cache
@member_may(Action.MANAGE_KEYS)
def connect(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Ask for the code, then what the key may do; ``POST`` with a decision agrees or denies."""
    code = (request.POST.get("code") or request.GET.get("code") or "").strip()[:40]
    waiting = _waiting(request, code) if code else None
    if waiting is None:
        context = {"workspace": membership.workspace, "code": code}
        return render(request, "accounts/device.html", context, status=404 if code else 200)
    decision = request.POST.get("decision")
    if decision == "deny":
        device_login.decide(code, by=membership, terms=None)
        messages.success(request, _("%(name)s was not connected.") % {"name": waiting.name})
        return redirect("accounts:keys")
    form, status = _form(request, code, waiting), 422 if decision else 200
    if decision and form.is_valid():
        try:
            device_login.decide(code, by=membership, terms=form.terms())
        except Refusal as refusal:
            form.add_refusal(refusal)
            status = refusal.status
        else:
            name = form.cleaned_data["name"]
            messages.success(
                request, _("%(name)s will be connected in a few seconds. You can go back to it.") % {"name": name}
            )
            return redirect("accounts:keys")
    context = {
        "workspace": membership.workspace,
        "code": code,
        "beginning": device_login.halves(code)[0],
        "waiting": waiting,
        "is_near": waiting.network in networks.lasting_fingerprints_of(request),
        "form": form,
    }
    return render(request, "accounts/device.html", context, status=status)


def _waiting(request: HttpRequest, code: str) -> device_login.Waiting | None:
    limits.refuse_guesser(request)
    found = device_login.find(code)
    if found is None:
        limits.count_wrong_code(request)
    return found


def _form(request: HttpRequest, code: str, waiting: device_login.Waiting) -> DeviceForm:
    _beginning, ending = device_login.halves(code)
    if request.POST.get("decision"):
        return DeviceForm(request.POST, ending=ending)
    terms = {"name": waiting.name, "scopes": SCOPES, "expires_on": timezone.localdate() + KEY_LASTS}
    if request.method == "GET":  # of a link, maybe somebody else's: it tells nothing of what is at hand
        return DeviceForm(initial=terms, ending=ending)
    form = DeviceForm(initial={**terms, "ending": ending}, ending=ending)
    form.fields["ending"].widget = forms.HiddenInput()
    return form
