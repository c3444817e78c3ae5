"""The catalogue for staff: one form to a model, every change a version, and the way back."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Final, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms.models import modelform_factory
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts.models import User
from catalog import alias_admin as alias_admin  # its page is registered with these
from catalog import at_a_look, catalogue_fieldsets, costs, fits, licences, measurements, read_only, versions
from catalog.forms import CatalogueForm
from catalog.models import Model, ModelVersion
from catalog.validation import problems
from gpu_worker.families import EVERY_FAMILY
from loremotion.staff_pages import RightLacking

_TABS: Final[dict[str, str]] = {
    Model.Status.ENABLED: "enabled",
    Model.Status.DRAFT: "drafts",
    Model.Status.RETIRED: "retired",
}
"""State → the catalogue's tab of models in it."""


@admin.register(Model)
class ModelAdmin(admin.ModelAdmin[Model]):
    """Saving writes a new version when anything changed that a clip depends on; the switches are the model's own."""

    form = CatalogueForm
    ordering = ["position", "slug"]
    save_as = True
    save_on_top = True
    prepopulated_fields = {"slug": ["name"]}
    change_form_template = "admin/catalog/model/change_form.html"
    fieldsets = catalogue_fieldsets.FIELDSETS

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the address names, and the rest as the model has it that it starts from."""
        given: dict[str, Any] = dict(super().get_changeform_initial_data(request))
        like = _started_from(request)
        filled = versions.prefilled_by_family(given.get("family", "")) if like is None else versions.prefill(like)
        terms = licences.terms_of(given["licence"]) if given.get("licence") else None
        return {**filled, **(terms.as_initial() if terms is not None else {}), **given}

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return catalogue_fieldsets.of_new(catalogue_fieldsets.ASKS)
        return self.fieldsets if self.has_change_permission(request, obj) else read_only.fieldsets_of(obj)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The second step of adding a model, then the third: one form, of which one step is seen at a time."""
        context = {"steps": catalogue_fieldsets.STEPS, "like": _started_from(request), **(extra_context or {})}
        if request.GET.get("licence_from") == "family":
            context["familys_licence"] = request.GET.get("licence", "")
        answer = super().add_view(request, form_url, context)
        if isinstance(answer, TemplateResponse) and answer.context_data is not None:
            shown = answer.context_data["adminform"]
            step = shown.form.step
            shown.fieldsets = catalogue_fieldsets.of_new(step)
            title = f"Add a model: step {step} of {len(catalogue_fieldsets.STEPS)}"
            answer.context_data.update(title=title, step=step, save_on_top=False)  # saved after the third step
        return answer

    def response_add(self, request: HttpRequest, obj: Model, post_url_continue: str | None = None) -> HttpResponse:
        if "_save" in request.POST and obj.status == Model.Status.DRAFT:
            messages.success(
                request, f"{obj} is a draft: nobody is offered it yet. Run a test render below, then enable it."
            )
            return self._to_versions(obj)
        return super().response_add(request, obj, post_url_continue)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        return super().get_queryset(request).select_related("current", "canary").prefetch_related("aliases")

    instead: ClassVar = {"delete": "Clips and receipts name it for ever: retire it instead."}

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[Model]]:
        callback = partial(self.formfield_for_dbfield, request=request)
        return modelform_factory(Model, form=CatalogueForm, formfield_callback=callback)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # clips and receipts name it for ever

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        context["known_licences"] = licences.known_licences()
        model = context.get("original")
        if model is not None and model.current is not None:
            context["look"] = at_a_look.of(model, model.current)
        return super().render_change_form(request, context, *args, **kwargs)

    # --- saving ---

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        form = cast(CatalogueForm, form)
        wanted_status = obj.status
        if obj.current is None:
            obj.status = Model.Status.DRAFT  # until it has a version, a few lines below
        super().save_model(request, obj, form, change)
        if form.is_version_changed and form.version is not None:
            data = form.cleaned_data
            written = versions.write(
                form.version, by=cast(User, request.user), note=data["note"], is_canary=data["is_canary"]
            )
            whom = f"{obj.canary_percent} % of workspaces" if data["is_canary"] else "everybody"
            if wanted_status == Model.Status.ENABLED:
                messages.info(request, f"Version {written.number} serves {whom} from the next request on.")
            elif change:
                messages.info(
                    request, f"Version {written.number} is saved. Nobody is offered the model: it is not enabled."
                )
        obj.refresh_from_db()
        if obj.status != wanted_status:
            obj.status = wanted_status
            obj.save(update_fields=["status"])
        for name, loser in versions.point_aliases(obj, form.cleaned_data["aliases"]).items():
            messages.info(
                request, f"{name} was {loser} and is {obj} now. What is queued already stays as it was quoted."
            )
        self._warn(request, obj)

    def _warn(self, request: HttpRequest, obj: Model) -> None:
        if obj.is_enabled and obj.current is not None and not measurements.was_rendered(obj.current):
            messages.warning(request, f"{obj} is enabled and has never finished a clip: run a test render.")
        if obj.is_enabled and obj.current is not None and measurements.is_poor(obj.current):
            found, least = measurements.similarity(obj.current), measurements.least_similarity(obj.current)
            messages.warning(
                request,
                f"{obj} is enabled, and quantised it says something else than its whole weights: their outputs have a"
                f" cosine of {found:.4f}, and {least} is the least for a clip that looks the same. Try int8.",
            )
        if obj.canary_percent and obj.canary is None:
            messages.warning(request, "There is a canary share and no canary version: everybody gets the current one.")

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """The one list of models is the catalogue: where Django has its own, what is asked for is asked there."""
        if not self.has_view_permission(request):
            raise RightLacking("catalog.view_model")
        family = EVERY_FAMILY.get(request.GET.get("current__family", ""))
        words = [request.GET.get("q", ""), family.title if family is not None else ""]
        tab = _TABS.get(request.GET.get("status__exact", ""), "")
        asked = {"tab": tab, "q": " ".join(filter(None, words))}
        query = urlencode({name: value for name, value in asked.items() if value})
        return redirect(f"{reverse('admin:catalogue')}{'?' if query else ''}{query}")

    # --- history ---

    def get_urls(self) -> list[Any]:
        def page(route: str, view: Any, name: str) -> Any:
            return path(route, self.admin_site.admin_view(view), name=f"catalog_model_{name}")

        return [
            page("", self.list_page, "changelist"),
            page("<int:model_id>/versions/", self.versions_page, "versions"),
            page("<int:model_id>/versions/<int:number>/restore/", self.restore, "restore"),
            page("<int:model_id>/canary/<str:action>/", self.decide_canary, "canary"),
            *super().get_urls(),
        ]

    def versions_page(self, request: HttpRequest, model_id: int) -> HttpResponse:
        """Every version with who, when and what changed; two of them side by side with ``?a=1&b=3``."""
        model = self._model(request, model_id, "view")
        history = list(model.versions.select_related("created_by").order_by("-number"))
        for version in history:
            version.model = model
        rows = [
            {"version": new, "before": old, "differences": versions.differences(old, new) if old else []}
            for new, old in zip(history, [*history[1:], None], strict=True)
        ]
        shown = model.canary or model.current
        on_cards = fits.of_version(shown) if shown else []
        context = {
            **self.admin_site.each_context(request),
            "title": f"Versions of {model}",
            "opts": self.opts,
            "original": model,
            "rows": rows,
            "compared": _compared(request, history),
            "may_change": self.has_change_permission(request, model),
            "fits": [row for row in on_cards if any(row.by_card.values())],
            "margins": measurements.margins(shown) if shown else [],
            "worths": costs.worths(shown) if shown else [],
            "reference": costs.reference_of(shown) if shown else None,
            "wanted_margin": costs.MARGIN,
            "shown": shown,
            "similarity": measurements.similarity(shown) if shown else None,
            "is_poor": shown is not None and measurements.is_poor(shown),
            "least_similarity": measurements.least_similarity(shown) if shown else None,
            "was_rendered": shown is not None and measurements.was_rendered(shown),
            "steps": catalogue_fieldsets.STEPS if model.status == Model.Status.DRAFT else (),
            "step": 4,
        }
        return TemplateResponse(request, "admin/catalog/model/versions.html", context)

    def restore(self, request: HttpRequest, model_id: int, number: int) -> HttpResponse:
        """Bring an earlier version back, as a new one."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        model = self._model(request, model_id, "change")
        version = get_object_or_404(model.versions, number=number)
        version.model = model
        if found := problems(version):
            texts = " ".join(text for lines in found.values() for text in lines)
            messages.error(request, f"Version {number} cannot be served any more. {texts}")
            return self._to_versions(model)
        with transaction.atomic():  # nothing is done without a note of it
            written = versions.restore(version, by=cast(User, request.user))
            self.log_change(request, model, f"Brought version {number} back as version {written.number}.")
        messages.success(request, f"Version {number} is back, as version {written.number}.")
        return self._to_versions(model)

    def decide_canary(self, request: HttpRequest, model_id: int, action: str) -> HttpResponse:
        """Give the canary to everybody, or take it back from its share."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        model = self._model(request, model_id, "change")
        if model.canary is None:
            messages.warning(request, "There is no canary version.")
        elif action == "promote":
            with transaction.atomic():
                versions.promote_canary(model)
                self.log_change(request, model, f"Promoted the canary, version {model.canary.number}.")
            messages.success(request, f"Version {model.canary.number} serves everybody now.")
        else:
            with transaction.atomic():
                versions.drop_canary(model)
                self.log_change(request, model, f"Dropped the canary, version {model.canary.number}.")
            messages.success(request, "Everybody gets the current version.")
        return self._to_versions(model)

    def _model(self, request: HttpRequest, model_id: int, right: str) -> Model:
        if not {"view": self.has_view_permission, "change": self.has_change_permission}[right](request):
            raise RightLacking(f"catalog.{right}_model")
        return get_object_or_404(self.get_queryset(request), pk=model_id)

    def _to_versions(self, model: Model) -> HttpResponse:
        return redirect(reverse("admin:catalog_model_versions", args=[model.pk]))


def _started_from(request: HttpRequest) -> Model | None:
    """The model after which the form for a new one is filled in: the one in the address, or the first of its family."""
    models = versions.models_to_start_from(request.GET.get("family", "-"))
    named = (model for model in models if model.slug == request.GET.get("like"))
    return next(named, models[0] if models else None)


def _compared(request: HttpRequest, history: list[ModelVersion]) -> dict[str, Any] | None:
    by_number = {str(version.number): version for version in history}
    before, after = by_number.get(request.GET.get("a", "")), by_number.get(request.GET.get("b", ""))
    if before is None or after is None:
        return None
    return {"before": before, "after": after, "differences": versions.differences(before, after)}
