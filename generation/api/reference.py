"""The API for those who write programs: the contract as OpenAPI, and a page drawn from it and from the catalogue."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt

from accounts import limits
from accounts.roles import BY_SCOPE, MEANING, Scope
from billing.plans import entitlements
from billing.shop.offers import OPEN_CLIPS_A_SHARE
from catalog import documents
from catalog.capabilities import origins_of
from catalog.models import Model
from catalog.selection import chosen_of
from generation.api.request_schemas import request_schemas
from loremotion import parameters
from loremotion.agents import listening_limits
from loremotion.api_versions import VERSIONS

CONTRACT = Path(__file__).with_name("openapi.yaml")
WEBHOOKS = Path(__file__).parents[2] / "docs" / "webhooks.md"
METHODS = ("get", "post", "put", "patch", "delete")
SAMPLE_PROMPT = "a red circle moving right on a black background"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API does."""

    method: str
    path: str
    summary: str
    description: SafeString


@cache
def _contract() -> dict[str, Any]:
    contract: dict[str, Any] = documents.read(CONTRACT.read_text())
    return contract


def contract(models: Sequence[Model]) -> dict[str, Any]:
    """The OpenAPI document, with the names, sizes, modes and presets that ``models`` have at this moment.

    As examples: an enum would be frozen into generated clients, which the next model would then break.
    """
    filled = copy.deepcopy(_contract())
    filled["servers"] = [{"url": settings.SITE_URL}]
    bodies = request_schemas()
    filled["components"]["schemas"] |= bodies
    versions = [model.current for model in models if model.current is not None]
    offered = {
        "model": sorted({name for m in models for name in (m.slug, *m.alias_names)}),
        "mode": sorted({mode for version in versions for mode in version.modes}),
        "size": sorted({size for version in versions for size in version.delivered_sizes}),
        "preset": sorted({preset for version in versions for preset in version.presets}),
    }
    for field, values in offered.items():
        for body in bodies.values():
            if values and field in body["properties"]:
                body["properties"][field]["examples"] = values
    return filled


def operations() -> Iterator[Operation]:
    """Everything that the API does, in the contract's order."""
    for path, item in _contract()["paths"].items():
        for method in METHODS:
            if method in item:
                said = item[method]
                yield Operation(method.upper(), path, said["summary"], _as_html(said.get("description", "")))


def _as_html(description: str) -> SafeString:
    # The contract's words are ours, not a user's; `html` stays off, so that they can hold nothing but prose.
    return SafeString(MarkdownIt("commonmark", {"html": False}).renderInline(description))


@csrf_exempt
@require_safe
def openapi(request: HttpRequest) -> JsonResponse:
    """``GET /v1/openapi.json``."""
    parameters.refuse_unknown(request.GET, parameters.NONE)
    return JsonResponse(contract(list(Model.objects.for_people())))


@require_safe
def explorer(request: HttpRequest) -> HttpResponse:
    """The contract in Swagger UI, whose files are this site's own; a request that is tried there is made."""
    return render(request, "generation/explorer.html")


@require_safe
def webhooks(request: HttpRequest) -> HttpResponse:
    """What webhooks are sent and how to check it: the page of the repository, so that there is one of it."""
    text = MarkdownIt("commonmark", {"html": False}).enable("table").render(WEBHOOKS.read_text())
    return render(request, "generation/text.html", {"title": "Webhooks", "text": SafeString(text)})


@require_safe
def llms(request: HttpRequest) -> HttpResponse:
    """``/llms.txt`` (llmstxt.org): what an agent has to know of the site, short and as plain text."""
    models = [model for model in Model.objects.for_people() if model.is_enabled and model.current is not None]
    chosen = chosen_of(models, "")
    context = {
        "site": settings.SITE_URL,
        "model": chosen.slug if chosen is not None else "default",
        "models": models,
        "origins": origins_of(model.current for model in models if model.current is not None),
        "operations": list(operations()),
        "prompt": SAMPLE_PROMPT,
    }
    return render(request, "generation/llms.txt", context, content_type="text/plain; charset=utf-8")


@require_safe
def developers(request: HttpRequest) -> HttpResponse:
    """How to use the API, with this site's address and models in the examples."""
    model = chosen_of(list(Model.objects.for_people()), "")
    context = {
        "site": settings.SITE_URL,
        "api_version": VERSIONS[-1],
        "model": model.slug if model is not None else "default",
        "prompt": SAMPLE_PROMPT,
        "operations": list(operations()),
        "scopes": [
            (scope, [capfirst(MEANING[action]) for action in MEANING if action in BY_SCOPE[scope]]) for scope in Scope
        ],
        "reads_per_minute": settings.API_REQUESTS_PER_MINUTE,
        "changes_per_minute": settings.API_CHANGES_PER_MINUTE,
        "keys_together": limits.KEYS_TOGETHER,
        "most_tasks": listening_limits.MOST_TASKS,
        "most_listeners": listening_limits.MOST_LISTENERS,
        "open_clips": OPEN_CLIPS_A_SHARE,
        "open_clips_for_free": entitlements(None).open_clips,
    }
    return render(request, "generation/developers.html", context)
