"""Keys that the workspace one is in brings for other people's APIs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership
from accounts.permissions import member_may
from accounts.roles import Action
from generation.provider_keys import keeping
from generation.provider_keys.keeping import LONGEST, RemoteAccount
from generation.provider_keys.models import ProviderKey
from loremotion.refusals import Invalid, Refusal


class KeyForm(forms.Form):
    """Shape only: the rules are the service's. What is typed is never written back into the page."""

    key = forms.CharField(label=gettext_lazy("Key"), max_length=LONGEST)
    secret = forms.CharField(label=gettext_lazy("Secret key"), max_length=LONGEST)

    def __init__(self, data: QueryDict | None = None, *, account: RemoteAccount) -> None:
        super().__init__(data, auto_id=f"{account.name}_%s")
        if account.has_secret:
            self.fields["key"].label = _("Access key")
        else:
            del self.fields["secret"]
        for field in self.fields.values():
            field.widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})


@dataclass(frozen=True, slots=True)
class AccountForm:
    """An account with the workspace's key for it, and the form for another."""

    account: RemoteAccount
    key: ProviderKey | None
    form: KeyForm


@require_safe
@member_may(Action.MANAGE_KEYS)
def listing(request: HttpRequest, membership: Membership) -> HttpResponse:
    return _page(request, membership)


@sensitive_post_parameters("key", "secret")
@require_POST
@never_cache
@member_may(Action.MANAGE_KEYS)
def add(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Seal a key and have it tested at once."""
    account = request.POST.get("account", "")
    chosen = next((each for each in keeping.accounts_offered() if each.name == account), None)
    if chosen is None:
        raise Invalid("unknown_account", _("No model on offer uses that account."), field="account")
    form = KeyForm(request.POST, account=chosen)
    if not form.is_valid():
        return _page(request, membership, form=(account, form), status=422)
    try:
        made = keeping.add(membership.workspace, chosen, actor=membership.user.email, **form.cleaned_data)
    except Refusal as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        return _page(request, membership, form=(account, form), status=refusal.status)
    messages.success(request, _("The key is saved. Clips you ask for from now on are made with it."))
    with suppress(Refusal):  # what it stands at is beside it: not tested
        keeping.ask_test(made)
    return redirect("provider_keys:listing")


@require_POST
@member_may(Action.MANAGE_KEYS)
def test(request: HttpRequest, membership: Membership, provider_key_id: UUID) -> HttpResponse:
    try:
        keeping.ask_test(_own(membership, provider_key_id))
    except Refusal as refusal:
        messages.warning(request, str(refusal))
    return redirect("provider_keys:listing")


@require_POST
@member_may(Action.MANAGE_KEYS)
def remove(request: HttpRequest, membership: Membership, provider_key_id: UUID) -> HttpResponse:
    key = _own(membership, provider_key_id)
    keeping.remove(key, actor=membership.user.email)
    messages.success(
        request,
        _("Removed %(key)s. Clips that were asked for with it still use it, and then it is deleted.") % {"key": key},
    )
    return redirect("provider_keys:listing")


def _own(membership: Membership, key_id: UUID) -> ProviderKey:
    return get_object_or_404(ProviderKey.objects.of(membership.workspace), id=key_id)


def _page(
    request: HttpRequest, membership: Membership, *, form: tuple[str, KeyForm] | None = None, status: int = 200
) -> HttpResponse:
    """
    Args:
        form: one that was sent, with the account that it is for.
    """
    accounts = keeping.accounts_offered()
    keys = {key.account: key for key in ProviderKey.objects.of(membership.workspace).defer("sealed")}
    sent = dict([form] if form is not None else [])
    places = [
        AccountForm(account, keys.get(account.name), sent.get(account.name) or KeyForm(account=account))
        for account in accounts
    ]
    named = {account.name for account in accounts}
    context = {
        "workspace": membership.workspace,
        "places": places,
        "others": [key for name, key in keys.items() if name not in named],
        "is_offered": keeping.is_offered(),
        "percent": settings.OWN_KEY_PERCENT,
    }
    return render(request, "provider_keys/listing.html", context, status=status)
