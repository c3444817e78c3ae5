"""The guide to the models, and the models for programs. Their pages for people are ``generation.pages.models``."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt

from accounts import tenancy
from catalog import capabilities
from catalog.gates import Audience, territory_of
from catalog.models import AccessLevel, Model
from catalog.selection import find_model
from loremotion import parameters
from loremotion.refusals import Invalid

GUIDES = Path(__file__).parent
TABLE_MARK = "{{ models }}"
RUNS_MARK = "{{ who runs them }}"


def _licensed(request: HttpRequest) -> Audience:
    """The audience for which models are listed: a payer's, since a plan can be bought; its gates are shown in words."""
    return Audience(plan=AccessLevel.PAID, territory=territory_of(request))


def _entries(request: HttpRequest) -> list[capabilities.Entry]:
    return capabilities.entries(list(Model.objects.for_people()), _licensed(request))


@require_safe
def guide(request: HttpRequest) -> HttpResponse:
    """How to choose a model: a text from the repository with the live table in it."""
    # The text is ours, not a user's; `html` stays off all the same, so that it can hold nothing but prose.
    text = MarkdownIt("commonmark", {"html": False}).enable("table").render(_guide().read_text())
    entries = _entries(request)
    table = render_to_string("catalog/table.html", {"entries": entries}, request)
    page = text.replace(RUNS_MARK, _who_runs(entries)).replace(f"<p>{TABLE_MARK}</p>", table)
    return render(request, "catalog/guide.html", {"text": mark_safe(page)})  # noqa: S308 - rendered above, autoescaped


def _who_runs(entries: list[capabilities.Entry]) -> str:
    """Whose machines make the clips: a promise that one provider's model among the rows would break."""
    origins = capabilities.origins_of(entry.version for entry in entries)
    if not origins.has_open and origins.has_remote:
        return _("Every model here is run by a provider, which its page names.")
    if origins.has_remote:
        return _("Models with open weights run on our own GPUs; a model that a provider runs says so on its page.")
    return _("Every model here has open weights and runs on our own GPUs. Nothing is resold.")


def _guide() -> Path:
    """The text in the reader's language, or in English."""
    translated = GUIDES / f"guide.{translation.get_language()}.md"
    return translated if translated.exists() else GUIDES / "guide.md"


@csrf_exempt  # whoever posts is told that nothing is taken here, not that a token is missing
@require_safe
def api_models(request: HttpRequest) -> JsonResponse:
    """``GET /v1/models``: OpenAI's list, with what each model can do under ``lm``. For anybody, but no wrong key."""
    tenancy.caller_of(request)
    parameters.refuse_unknown(request.GET, parameters.NONE)
    return JsonResponse({"object": "list", "data": [capabilities.to_json(entry) for entry in _entries(request)]})


@csrf_exempt
@require_safe
def api_model(request: HttpRequest, name: str) -> JsonResponse:
    """``GET /v1/models/{slug or alias}``."""
    tenancy.caller_of(request)
    parameters.refuse_unknown(request.GET, parameters.NONE)
    try:
        model = find_model(name)
    except Invalid as refusal:
        refusal.status = 404  # here it is the address that names nothing
        raise
    (entry,) = capabilities.entries([model], _licensed(request))
    return JsonResponse(capabilities.to_json(entry))
