"""The catalogue for staff: each model with what it costs, takes and earns, which one is the default, and a new one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, cast
from urllib.parse import unquote, urlencode

import redis
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from catalog import catalogue_fieldsets, costs, measurements, versions
from catalog.models import Alias, Measurement, Model, ModelVersion
from catalog.offers import offer_with
from catalog.requests import Ask
from generation import figures
from generation.figures import MadeOfModel
from generation.scheduling import capacity
from gpu_worker.families import EVERY_FAMILY
from loremotion.read_through import get_or_make
from loremotion.refusals import Refusal

TABS: Final = {"enabled": "Enabled", "ready": "Ready to enable", "drafts": "Drafts", "retired": "Retired"}
KEPT_SECONDS: Final = 60
_REPOSITORY: Final = r"([\w.-]+/[\w.-]+)"
_ON_THE_HUB: Final = re.compile(
    rf"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/{_REPOSITORY}(?:/(?:tree|blob|resolve|commit)/([^/?#]+))?"
)
_AT_REVISION: Final = re.compile(rf"{_REPOSITORY}@([\w./-]+)")


@dataclass(frozen=True, slots=True)
class Row:
    """One model with its figures; None where nobody knows one yet."""

    model: Model
    version: ModelVersion
    credits: int | None
    """Of its default clip, from words alone."""
    render_seconds: float | None
    """p50 of the last week."""
    failed_share: float | None
    margin: float | None
    """Of the price, once the GPU is paid."""
    fits: int | None
    """Of the GPUs that are on, those that can make its smallest clip."""
    gpus: int
    was_rendered: bool

    @property
    def is_default(self) -> bool:
        return any(alias.name == "default" for alias in self.model.aliases.all())

    @property
    def runs_on(self) -> str:
        """On how many of the GPUs that are on its smallest clip can be made, in words."""
        if self.fits is None:
            return "not known"
        if not self.gpus:
            return "no GPU is on"
        if self.fits in (0, self.gpus):
            return "every GPU" if self.fits else "no GPU that is on"
        return f"{self.fits} of {self.gpus} GPUs"

    @property
    def tab(self) -> str:
        if self.model.status == Model.Status.DRAFT:
            return "ready" if self.was_rendered else "drafts"
        return "enabled" if self.model.is_enabled else "retired"


def page(request: HttpRequest) -> HttpResponse:
    """The models of one tab. Takes as many queries however many models and clips there are."""
    chosen = request.GET.get("tab", "")
    chosen = chosen if chosen in TABS else "enabled"
    rows = rows_of(Model.objects.with_versions().filter(current__isnull=False).order_by("position", "slug"))
    tabs = [(name, title, sum(row.tab == name for row in rows), name == chosen) for name, title in TABS.items()]
    context = {
        **admin.site.each_context(request),
        "title": "Prices, speed, margin",
        "tabs": tabs,
        "rows": [row for row in rows if row.tab == chosen],
        "may_change": request.user.has_perm("catalog.change_model"),
        "may_swap": request.user.has_perm("catalog.change_alias"),
    }
    return TemplateResponse(request, "admin/generation/catalogue.html", context)


def rows_of(models: Sequence[Model] | Any) -> list[Row]:
    """Return the figures of models that have a version."""
    every = [(model, version) for model in models if (version := _current(model)) is not None]
    builds = [version.build for _, version in every]
    speeds = measurements.speeds(builds)
    rendered = set(Measurement.objects.filter(build__in=builds, clips__gt=0).values_list("build", flat=True))
    least = measurements.smallest_clips([version for _, version in every], above_bytes=0)
    budgets, made = _budgets(), _made()
    return [
        _row(model, version, speeds, least, budgets, made.get(model.slug), was_rendered=version.build in rendered)
        for model, version in every
    ]


def _current(model: Model) -> ModelVersion | None:
    if model.current is not None:
        model.current.model = model
    return model.current


def _row(
    model: Model,
    version: ModelVersion,
    speeds: Mapping[str, float],
    least: Mapping[int, int],
    budgets: Sequence[int],
    made: MadeOfModel | None,
    *,
    was_rendered: bool,
) -> Row:
    credits, speed = _credits(version), speeds.get(version.build)
    margin = None
    if credits is not None and speed is not None:
        cost_dollars = speed * version.default_seconds / 3600 * settings.GPU_DOLLARS_PER_HOUR
        margin = 1 - cost_dollars / (credits * settings.CREDIT_DOLLARS)
    needed = least.get(version.id)
    return Row(
        model=model,
        version=version,
        credits=credits,
        render_seconds=made.render_seconds if made else None,
        failed_share=made.failed_share if made else None,
        margin=margin,
        fits=None if needed is None else sum(budget >= needed for budget in budgets),
        gpus=len(budgets),
        was_rendered=was_rendered,
    )


def _credits(version: ModelVersion) -> int | None:
    try:
        return offer_with(version, Ask(prompt="a clip")).quote.credits
    except Refusal:
        return None


def _budgets() -> list[int]:
    try:
        return capacity.taking_budgets()
    except redis.RedisError:
        return []


def _made() -> dict[str, MadeOfModel]:
    """Of the last week, by model; counted once a minute, however many look."""

    def made() -> dict[str, list[Any]]:
        return {slug: [each.made, each.failed, each.render_seconds] for slug, each in figures.made_lately().items()}

    kept = get_or_make("admin:made-by-model", made, seconds=KEPT_SECONDS)
    return {slug: MadeOfModel(*each) for slug, each in kept.items()}


# --- what is done there ----------------------------------------------------------------------------------------------


def make_default(request: HttpRequest, model_id: int) -> HttpResponse:
    """First what it changes, side by side; then, confirmed, the swap."""
    models = Model.objects.with_versions()
    model = get_object_or_404(models, pk=model_id, current__isnull=False)
    if request.method == "POST":
        return _do(request, model, lambda: versions.make_default(model), f"{model} is the default now.")
    before = models.filter(aliases__name="default", current__isnull=False).exclude(pk=model.pk).first()
    context = {
        **admin.site.each_context(request),
        "title": f"Make {model} the default",
        "model": model,
        "rows": rows_of([each for each in (before, model) if each is not None]),
    }
    return TemplateResponse(request, "admin/generation/make_default.html", context)


def enable(request: HttpRequest, model_id: int) -> HttpResponse:
    model = get_object_or_404(Model.objects.with_versions(), pk=model_id)
    return _do(request, model, lambda: versions.enable(model), f"{model} is enabled: it can be chosen from now on.")


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
    version = _current(model)
    versions.write_prices(model, costs.suggested_prices(version) if version is not None else {}, by=by)


def add(request: HttpRequest) -> HttpResponse:
    """The first of four steps: where the weights come from, and of which family they are; the form comes prefilled."""
    family, like = request.GET.get("family", ""), request.GET.get("like", "")
    source, revision = repository_of(request.GET.get("source", ""))
    models = versions.models_to_start_from()
    chosen = next((model for model in models if model.slug == like), None)
    is_of_another = chosen is not None and chosen.current is not None and chosen.current.family != family
    if family in EVERY_FAMILY and source and not is_of_another:
        name = name_of(source)
        asked = {"family": family, "source": source[:200], "revision": revision[:80], "name": name}
        asked |= {"slug": free_slug(name), "like": like}
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
        "like": chosen,
        "is_of_another": is_of_another,
        "is_incomplete": bool(request.GET) and not is_of_another,
    }
    return TemplateResponse(request, "admin/generation/add_model.html", context)


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
