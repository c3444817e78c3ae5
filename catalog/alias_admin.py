"""Aliases, for staff: another name of a model, and which one requests get that name none."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalog.models import Alias, Model


class ModelChoice(forms.ModelChoiceField[Model]):
    """Says of a model whether nobody can use it."""

    def label_from_instance(self, model: Model) -> str:
        return model.name if model.is_enabled else f"{model.name} ({model.get_status_display().lower()})"


class AliasForm(forms.ModelForm[Alias]):
    """An alias may name a model that is not enabled: nobody can use it by that name until it is."""

    model = ModelChoice(Model.objects.order_by("name"))

    class Meta:
        model = Alias
        fields = ["name", "model"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name, model = cleaned.get("name"), cleaned.get("model")
        if name == "default" and model is not None and not model.is_enabled:
            self.add_error("model", f"{model} is not enabled, and the default has to be.")
        if "name" in cleaned and Model.objects.filter(slug=name).exists():
            self.add_error("name", f"{name} is the name of a model.")
        return cleaned


@admin.register(Alias)
class AliasAdmin(admin.ModelAdmin[Alias]):
    """The shortest way to swap a model: point its alias elsewhere. The default goes by the page that says first what
    that changes, and for whom."""

    form = AliasForm
    list_display = ["name", "model", "use"]
    list_select_related = ["model"]
    ordering = ["name"]
    instead: ClassVar = {
        "change": "Press “Make default” at another model of the catalogue: it shows first what that changes.",
        "delete": "There is always a default. Make another model the default instead.",
    }

    @admin.display(description="who can use it")
    def use(self, alias: Alias) -> SafeString | str:
        if not alias.model.is_enabled:
            is_what = "a draft" if alias.model.status == Model.Status.DRAFT else "retired"
            return format_html('<span class="state away">nobody: the model is {}</span>', is_what)
        if alias.name != "default":
            return "whoever may use the model"
        return format_html(
            'whoever names no model. <a href="{}">Make another one the default</a>', reverse("admin:catalogue")
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Alias | None = None) -> list[str]:
        return ["name", "use"] if obj is not None else []

    def get_fields(self, request: HttpRequest, obj: Alias | None = None) -> Any:
        return ["name", "model", "use"] if obj is not None else ["name", "model"]

    def has_change_permission(self, request: HttpRequest, obj: Alias | None = None) -> bool:
        return (obj is None or obj.name != "default") and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Alias | None = None) -> bool:
        return obj is not None and obj.name != "default" and super().has_delete_permission(request, obj)
