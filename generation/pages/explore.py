"""Shared clips that staff picked, for anybody who looks for something to begin with."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.models import Model
from generation.pages.samples import SAMPLES
from generation.sharing import public

PAGE = 24


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The newest picks, of one model with ``?model=``, by keyset: each page costs what the first does.

    Where there are none, the built-in model's own clips are something to begin with.
    """
    enabled = Model.objects.enabled().select_related("current").order_by("position", "slug")
    models = list(enabled.only("slug", "name", "current__family"))
    asked = request.GET.get("model", "")
    chosen = asked if asked in {model.slug for model in models} else ""
    found = public.featured_clips(model=chosen, after=request.GET.get("after", ""), limit=PAGE + 1)
    picked = public.models_featured()
    built_in = next((one for one in models if one.current is not None and one.current.is_built_in), None)
    context = {
        "shared_clips": found[:PAGE],
        "older": found[PAGE - 1].token if len(found) > PAGE else "",
        "models": [model for model in models if model.slug in picked],
        "chosen": chosen,
        "samples": SAMPLES,
        "built_in": built_in if built_in is not None and chosen in ("", built_in.slug) else None,
    }
    return render(request, "sharing/explore.html", context)
