"""Where a video comes from: anybody sends one, and is told what its marks say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts import networks
from generation.provenance import inspection
from loremotion.refusals import Unavailable

AT_ONCE: Final = 2
"""Files that one process looks into, one of each network: each may keep a processor busy for seconds."""
_lock = threading.Lock()
_looked_into_for: set[str] = set()


class VerifyForm(forms.Form):
    """A file. What kind it is, it says itself."""

    file: Any = forms.FileField(label="Video or picture", widget=forms.FileInput(attrs={"accept": "video/*,image/*"}))


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form, and what was found in the file that came with it. Nothing of the file is kept."""
    if request.method != "POST":
        return render(request, "provenance/verify.html", {"form": VerifyForm()})
    form = VerifyForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "provenance/verify.html", {"form": form}, status=422)
    with _place_for(networks.prefix_of(request)):
        found = inspection.inspect(form.cleaned_data["file"])
    name = str(form.cleaned_data["file"].name)[:100]
    return render(request, "provenance/verify.html", {"form": VerifyForm(), "found": found, "name": name})


@contextmanager
def _place_for(network: str) -> Iterator[None]:
    """A place for one file. No network has two, so that one alone keeps it from nobody else.

    Raises:
        Unavailable: this network has one already, or all are taken.
    """
    with _lock:
        if network in _looked_into_for:
            said = "We're looking into another file from your network right now."
        elif len(_looked_into_for) >= AT_ONCE:
            said = "We're looking into other files right now."
        else:
            said = ""
            _looked_into_for.add(network)
    if said:
        raise Unavailable("busy", said, next_step="Try again in a minute.")
    try:
        yield
    finally:
        with _lock:
            _looked_into_for.remove(network)
