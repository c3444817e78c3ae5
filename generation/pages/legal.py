"""Pages that the law or a licence asks for."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog import gates
from catalog.licences import in_plain_words
from catalog.models import Model
from generation.legal import legal_pages, transparency
from generation.moderation import totals


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence, and the models that have it."""

    name: str
    in_plain_words: str
    models: list[tuple[Model, list[str]]]
    """With what each of them asks besides."""


@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    """The terms of use."""
    return render(request, "legal/page.html", {"page": legal_pages.page_of("terms")})


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What becomes of people's data."""
    return render(request, "legal/page.html", {"page": legal_pages.page_of("privacy")})


@require_safe
def licences(request: HttpRequest) -> HttpResponse:
    """The licences of the models that people may choose, in plain words, with what they ask to be shown."""
    found: dict[str, Licence] = {}
    for model in Model.objects.for_people():
        version = model.current
        if version is None:
            continue
        licence = found.setdefault(
            version.licence, Licence(version.licence, in_plain_words(version.licence), models=[])
        )
        licence.models.append((model, gates.in_words(version)))
    return render(request, "legal/licences.html", {"licences": list(found.values())})


@require_safe
def transparency_report(request: HttpRequest) -> HttpResponse:
    """What was reported, decided and refused, counted from the rows themselves."""
    context = {
        "rows": transparency.record(),
        "refused": totals.refused_prompts(),
        "kept_back": totals.clips_kept_back(),
    }
    return render(request, "legal/transparency.html", context)
