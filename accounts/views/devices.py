"""Where somebody types the code that a program shows, and gives it a key of the workspace one is in."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import device_login
from accounts.forms import KeyForm
from accounts.models import Membership
from accounts.permissions import member_may
from accounts.roles import Action, Scope

SCOPES = [Scope.READ, Scope.GENERATE, Scope.BILLING_READ]


@require_http_methods(["GET", "POST"])
@never_cache
@member_may(Action.MANAGE_KEYS)
def connect(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Ask for the code, then what the key may do; ``POST`` agrees or denies."""
    code = (request.POST.get("code") or request.GET.get("code") or "").strip()[:40]
    name = device_login.name_of(code) if code else None
    if name is None:
        status = 404 if code else 200
        context = {"workspace": membership.workspace, "code": code}
        return render(request, "accounts/device.html", context, status=status)
    form = KeyForm(request.POST if request.method == "POST" else None, initial={"name": name, "scopes": SCOPES})
    if request.method == "POST" and request.POST.get("decision") == "deny":
        device_login.decide(code, by=membership, terms=None)
        messages.success(request, f"{name} was not connected.")
        return redirect("accounts:keys")
    if request.method == "POST" and form.is_valid():
        device_login.decide(code, by=membership, terms=form.terms())
        messages.success(request, f"{form.cleaned_data['name']} is connected. You can go back to it.")
        return redirect("accounts:keys")
    context = {"workspace": membership.workspace, "code": code, "name": name, "form": form}
    return render(request, "accounts/device.html", context, status=422 if request.method == "POST" else 200)
