"""Where a video comes from: anybody sends one, and is told what its marks say."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from generation.provenance import inspection
from generation.provenance.inspection_slots import slot_for
from loremotion.bodies import MAX_BODY_BYTES, MAX_FORM_BYTES

_CHOSEN: Final = {"accept": "video/*,image/*", "data-most-bytes": MAX_FORM_BYTES - MAX_BODY_BYTES}


class VerifyForm(forms.Form):
    """A file. What kind it is, it says itself."""

    file: Any = forms.FileField(label=gettext_lazy("Video or picture"), widget=forms.FileInput(attrs=_CHOSEN))


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form, and what was found in the file that came with it. Nothing of the file is kept."""
    if request.method != "POST":
        return render(request, "provenance/verify.html", {"form": VerifyForm()})
    form = VerifyForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "provenance/verify.html", {"form": form}, status=422)
    with slot_for(request):
        found = inspection.inspect(form.cleaned_data["file"])
    shown = {
        "form": VerifyForm(),
        "found": found,
        "name": str(form.cleaned_data["file"].name)[:100],
        "manifest": b64encode(found.manifest).decode(),
    }
    return render(request, "provenance/verify.html", shown)
