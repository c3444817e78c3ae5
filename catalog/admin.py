from __future__ import annotations

from django.contrib import admin

from catalog.models import Alias, Model, ModelVersion


class AliasInline(admin.TabularInline[Alias, Model]):
    model = Alias
    extra = 0


@admin.register(Model)
class ModelAdmin(admin.ModelAdmin[Model]):
    list_display = ["name", "slug", "status", "current", "position"]
    list_filter = ["status"]
    search_fields = ["name", "slug"]
    inlines = [AliasInline]


@admin.register(ModelVersion)
class ModelVersionAdmin(admin.ModelAdmin[ModelVersion]):
    list_display = ["model", "number", "family", "source", "quantisation", "created_at", "created_by"]
    list_filter = ["family", "model"]
