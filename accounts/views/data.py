"""What is kept about whoever asks: take it along, or have it erased. Without an account too."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST, require_safe

from accounts import erasure, exports, tenancy, visitors
from accounts.forms import ConfirmForm
from accounts.models import User
from accounts.roles import Action


@require_safe
def data(request: HttpRequest) -> HttpResponse:
    return _page(request, ConfirmForm(word=_word()))


@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    reader = tenancy.caller_for(request, Action.EXPORT)
    if reader.workspace is None:
        raise Http404
    return exports.download(
        exports.zip_export(reader), name="loremotion.zip", content_type="application/zip", reader=reader.workspace.id
    )


@require_POST
def erase_visitor(request: HttpRequest) -> HttpResponse:
    """Erase everything that was made in this browser without an account."""
    visitor = visitors.visitor_of(request)
    if visitor is None or request.user.is_authenticated:
        raise Http404
    tenancy.workspace_of(request, Action.CLOSE)
    form = ConfirmForm(request.POST, word=_word())
    if not form.is_valid():
        return _page(request, form, status=422)
    erasure.erase_visitor(visitor)
    visitors.forget(request)
    tenancy.forget(request)
    messages.success(request, _("Everything has been deleted."))
    return redirect("generation:home")


@require_POST
@login_required
@reauthentication_required
def erase_person(request: HttpRequest) -> HttpResponse:
    """Erase the account and what is its alone."""
    assert isinstance(request.user, User)
    form = ConfirmForm(request.POST, word=_word())
    if not form.is_valid():
        return _page(request, form, status=422)
    erasure.erase_person(User.objects.get(id=request.user.id))
    logout(request)
    tenancy.forget(request)
    return redirect("generation:home")


def _word() -> str:
    return pgettext("typed to confirm", "erase")


def _page(request: HttpRequest, form: ConfirmForm, status: int = 200) -> HttpResponse:
    return render(request, "accounts/data.html", {"form": form}, status=status)
