"""Shared clips that staff picked, for anybody who looks for something to begin with."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.models import Model
from generation.sharing import public

PAGE = 24


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The newest picks, of one model with ``?model=``, by keyset: each page costs what the first does."""
    models = list(Model.objects.enabled().order_by("position", "slug").only("slug", "name"))
    asked = request.GET.get("model", "")
    chosen = asked if asked in {model.slug for model in models} else ""
    found = public.featured(model=chosen, after=request.GET.get("after", ""), limit=PAGE + 1)
    context = {
        "shared_clips": found[:PAGE],
        "older": found[PAGE - 1].token if len(found) > PAGE else "",
        "models": models,
        "chosen": chosen,
    }
    return render(request, "sharing/explore.html", context)
