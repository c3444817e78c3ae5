"""The catalogue for staff: each model with what it costs, takes and earns, which one is the default, and a new one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final, cast
from urllib.parse import unquote, urlencode

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from catalog import catalogue_fieldsets, costs, licences, versions
from catalog.models import Alias, Model
from generation.staff import default_swap
from generation.staff.model_rows import Row, current_of, rows_of, with_posters
from gpu_worker.families import EVERY_FAMILY
from loremotion.refusals import Refusal

TABS: Final = {"enabled": "Enabled", "ready": "Ready to enable", "drafts": "Drafts", "retired": "Retired"}
ANOTHER: Final = "another"
"""What stands for a licence that no model here has yet."""
_REPOSITORY: Final = r"([\w.-]+/[\w.-]+)"
_ON_THE_HUB: Final = re.compile(
    rf"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/{_REPOSITORY}(?:/(?:tree|blob|resolve|commit)/([^/?#]+))?"
)
_COMMIT: Final = re.compile("[0-9a-f]{40}")
_AT_REVISION: Final = re.compile(rf"{_REPOSITORY}@([\w./-]+)")


def page(request: HttpRequest) -> HttpResponse:
    """The models of one tab, of those that the search finds. Takes as many queries however many models and clips.

    Where no tab is named, a search opens the first that has something.
    """
    tab, sought = request.GET.get("tab", ""), request.GET.get("q", "").strip()[:80]
    every = rows_of(Model.objects.with_versions().filter(current__isnull=False).order_by("position", "slug"))
    rows = [row for row in every if _has(row, sought)]
    if tab not in TABS:
        tab = next((name for name in TABS if sought and any(row.tab == name for row in rows)), "enabled")
    shown = [row for row in rows if row.tab == tab]
    context = {
        **admin.site.each_context(request),
        "title": "Models",
        "tabs": [
            {
                "title": title,
                "count": sum(row.tab == name for row in rows),
                "query": urlencode({"tab": name, **({"q": sought} if sought else {})}),
                "is_chosen": name == tab,
            }
            for name, title in TABS.items()
        ],
        "tab": tab,
        "sought": sought,
        "rows": with_posters(shown),
        "is_any_measured": any(row.ended or row.margin is not None for row in shown),
        "may_change": request.user.has_perm("catalog.change_model"),
        "may_swap": request.user.has_perm("catalog.change_alias"),
    }
    return TemplateResponse(request, "admin/generation/catalogue.html", context)


def _has(row: Row, sought: str) -> bool:
    """Whether each word that is looked for stands somewhere in what the model is called and made of."""
    version = row.version
    names = (row.model.name, row.model.slug, version.family_facts.title, version.source, version.licence)
    said = " ".join([*names, *row.model.alias_names]).lower()
    return all(word in said for word in sought.lower().split())


# --- what is done there ----------------------------------------------------------------------------------------------


def make_default(request: HttpRequest, model_id: int) -> HttpResponse:
    """First what it changes, side by side; then, confirmed, the swap."""
    models = Model.objects.with_versions()
    model = get_object_or_404(models, pk=model_id, current__isnull=False)
    if request.method == "POST":
        return _do(request, model, lambda: versions.make_default(model), f"{model} is the default now.")
    before = models.filter(aliases__name="default", current__isnull=False).exclude(pk=model.pk).first()
    *was, after = rows_of([each for each in (before, model) if each is not None])
    now = was[0] if was else None
    context = {
        **admin.site.each_context(request),
        "title": f"Make {model} the default",
        "model": model,
        "before": now,
        "changes": default_swap.changes(now, after),
        "touched": list(default_swap.find_touched(now, after)),
        "is_default": after.is_default,
    }
    return TemplateResponse(request, "admin/generation/make_default.html", context)


def enable(request: HttpRequest, model_id: int) -> HttpResponse:
    model = get_object_or_404(Model.objects.with_versions(), pk=model_id)
    return _do(request, model, lambda: versions.enable(model), f"{model} is enabled: it can be chosen from now on.")


def disable(request: HttpRequest, model_id: int) -> HttpResponse:
    model = get_object_or_404(Model.objects.with_versions(), pk=model_id)
    said = f"{model} is offered to nobody any more. What is queued is still made."
    return _do(request, model, lambda: versions.disable(model), said)


def suggest_prices(request: HttpRequest, model_id: int) -> HttpResponse:
    """Write a version that has the prices which the reference speed suggests."""
    model = get_object_or_404(Model.objects.with_versions(), pk=model_id)
    user = cast(User, request.user)
    said = "The suggested prices count from the next request on."
    return _do(request, model, lambda: costs_to_prices(model, user), said, to="admin:catalog_model_versions")


def costs_to_prices(model: Model, by: User) -> None:
    """Write the next version of ``model``, with its prices as suggested.

    Raises:
        Conflict: it names no reference speed, or has these prices.
    """
    version = current_of(model)
    versions.write_prices(model, costs.suggested_prices(version) if version is not None else {}, by=by)


def add(request: HttpRequest) -> HttpResponse:
    """The first of four steps: where the weights come from, and of which family they are; the form comes prefilled."""
    family, like = request.GET.get("family", ""), request.GET.get("like", "")
    source, revision = repository_of(request.GET.get("source", ""))
    models = versions.models_to_start_from()
    chosen = next((model for model in models if model.slug == like), None)
    is_of_another = chosen is not None and chosen.current is not None and chosen.current.family != family
    is_back = "again" in request.GET  # from a later step, to change what was said here
    if family in EVERY_FAMILY and source and not is_of_another and not is_back:
        name = name_of(source)
        asked = {"family": family, "source": source[:200], "revision": revision[:80], "name": name}
        asked |= {"slug": free_slug(name), "like": like, **_licence(request.GET.get("licence", ""), family)}
        for doubt in doubts_about(source, revision):
            messages.warning(request, doubt)
        return redirect(f"{reverse('admin:catalog_model_add')}?{urlencode(asked)}")
    context = {
        **admin.site.each_context(request),
        "title": "Add a model",
        "steps": catalogue_fieldsets.STEPS,
        "step": 1,
        "families": EVERY_FAMILY.values(),
        "family": family,
        "source": f"{source}@{revision}" if revision else source,
        "models": models,
        "licences": licences.known_licences(),
        "licence": request.GET.get("licence", ""),
        "another": ANOTHER,
        "like": chosen,
        "is_of_another": is_of_another,
        "is_incomplete": bool(request.GET) and not is_of_another and not is_back,
    }
    return TemplateResponse(request, "admin/generation/add_model.html", context)


def doubts_about(source: str, revision: str) -> Iterator[str]:
    """Yield what whoever adds weights may not have meant; nothing of it is wrong for certain."""
    known = [f"{each} ({each.get_status_display().lower()})" for each in Model.objects.filter(current__source=source)]
    if known:
        yield f"These weights are here already: {', '.join(known)}. Change that model, unless you want both."
    if revision and not _COMMIT.fullmatch(revision):
        yield f"The revision {revision} is no commit's whole id. A branch or a tag can move: pin the commit."


def _licence(chosen: str, family: str) -> dict[str, str]:
    """Return what the form is told of the licence: the chosen one, or that of the family where there is no doubt."""
    if chosen == ANOTHER:
        return {}
    if chosen:
        return {"licence": chosen[:120]}
    terms = licences.of_family(family)
    return {} if terms is None else {"licence": terms.licence, "licence_from": "family"}


def repository_of(typed: str) -> tuple[str, str]:
    """Return the repository and the revision that an address of the Hub's names; what is no such address, as it is.

    A branch that moves on is no revision to keep, so of ``main`` none is returned.
    """
    text = typed.strip()
    found = _ON_THE_HUB.match(text) or _AT_REVISION.fullmatch(text)
    if found is None:
        return text.rstrip("/"), ""
    revision = unquote(found[2] or "")
    return found[1], "" if revision == "main" else revision


def name_of(source: str) -> str:
    """Return what people may call the weights of a repository or a folder."""
    words = re.sub(r"[-_ ]+", " ", source.rpartition("/")[2]).strip()
    return re.sub(r"(?i) ?(diffusers|hf)$", "", words)[:60].strip()


def free_slug(name: str) -> str:
    """Return a slug for ``name`` that no model and no alias has."""
    slug = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:50]
    taken = {*Model.objects.filter(slug__startswith=slug).values_list("slug", flat=True)}
    taken |= {*Alias.objects.filter(name__startswith=slug).values_list("name", flat=True)}
    return next(each for n in count(1) if (each := slug if n == 1 else f"{slug}-{n}") not in taken)


def _do(
    request: HttpRequest, model: Model, act: Callable[[], object], said: str, *, to: str = "admin:catalogue"
) -> HttpResponse:
    try:
        with transaction.atomic():  # nothing is done without a note of it
            act()
            LogEntry.objects.log_actions(cast(User, request.user).pk, [model], CHANGE, said, single_object=True)
    except Refusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, said)
    return redirect(to, model.pk) if to != "admin:catalogue" else redirect(to)
