"""Reports of clips: the form for anybody, and for whoever made a clip what was decided."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import limits, tenancy
from accounts.roles import Action
from generation.notices import notices
from generation.notices.models import Category, Notice
from loremotion.refusals import Refusal

SHOWN: Final = 50


class ReportForm(forms.Form):
    """What somebody says of a clip. Shape only: the rules are the service's."""

    address = forms.CharField(
        label=gettext_lazy("Address of the clip"),
        max_length=notices.LONGEST_ADDRESS,
        widget=forms.URLInput,
        help_text=gettext_lazy("Its link."),
    )
    category = forms.ChoiceField(
        label=gettext_lazy("What's wrong with it?"), choices=[("", gettext_lazy("Choose one")), *Category.choices]
    )
    statement = forms.CharField(
        label=gettext_lazy("Tell us more"),
        max_length=notices.LONGEST_STATEMENT,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=gettext_lazy("Who or what it shows, and why it's wrong. If it shows you, say so."),
    )
    contact = forms.EmailField(
        label=gettext_lazy("Your email address"),
        max_length=254,
        help_text=gettext_lazy("For our answer. Whoever made the clip doesn't see it."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """A form by which anybody reports a clip, without an account."""
    if request.method != "POST":
        address = request.GET.get("address", "").replace("\0", "")[: notices.LONGEST_ADDRESS]
        form = ReportForm(initial={"address": address, "category": request.GET.get("category", "")})
        return render(request, "notices/report.html", {"form": form})
    form = ReportForm(request.POST)
    status = 422
    if form.is_valid():
        try:
            limits.refuse_many_reports(request)
            notice = notices.submit(**form.cleaned_data)
        except Refusal as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, f"{refusal} {refusal.next_step}")
            status = refusal.status
        else:
            return render(request, "notices/reported.html", {"notice": notice})
    return render(request, "notices/report.html", {"form": form}, status=status)


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """What was reported of the clips that the caller sees and decided, newest first."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    found: Any = Notice.objects.seen_by(caller).exclude(state__in=HIDDEN).order_by("-created_at")
    context = {"notices": found[:SHOWN], "may_object": caller.may(Action.GENERATE), "site": settings.SITE_URL}
    return render(request, "notices/listing.html", context)


@require_POST
def object_to(request: HttpRequest, notice_id: UUID) -> HttpResponse:
    """Object to a takedown."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    notice = Notice.objects.seen_by(caller).exclude(state__in=HIDDEN).filter(id=notice_id).first()
    if notice is None:
        raise Http404
    notices.object_to(notice, objection=request.POST.get("objection", "").replace("\0", ""))
    messages.success(request, _("Thanks. We'll review it again within 48 hours and email you."))
    return redirect("notices:listing")


HIDDEN: Final = (Notice.State.OPEN, Notice.State.KEPT)
"""What nobody decided against them is no business of whoever made the clip."""
