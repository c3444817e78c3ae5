"""The admin's site: our own pages by permission, those of libraries for superusers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import PermissionsMixin
from django.db.models import CharField, Model, QuerySet, TextField
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.module_loading import import_string
from django.views.generic import RedirectView

from loremotion import health
from loremotion.bounded_paginator import Bounded
from loremotion.headed import Headed
from loremotion.noted_values import NotesValues
from loremotion.related_links import LinksByRight
from loremotion.staff_pages import pages
from loremotion.staff_sections import arrange, mark_current

OUR_PACKAGES: Final = frozenset({"accounts", "billing", "catalog", "generation", "loremotion"})


class StaffSite(admin.AdminSite):
    """Django's site, on which pages that a library brings along open for superusers alone, whatever permissions say.

    Whoever adds an address, a provider or a second factor to somebody can sign in as them, and whoever changes a group
    can give themselves its rights. Our own pages keep that apart; a library's know nothing of it.
    """

    def register(
        self, model_or_iterable: Any, admin_class: type[admin.ModelAdmin[Any]] | None = None, **options: Any
    ) -> None:
        models: Iterable[type[Model]] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        )
        for model in models:
            is_ours = model.__module__.split(".")[0] in OUR_PACKAGES
            super().register(model, _of_ours(admin_class) if is_ours else _for_superusers(admin_class), **options)

    site_header = site_title = "LoreMotion"
    index_title = "Today"
    enable_nav_sidebar = False
    """Ours, admin/sections.html, folds by section, and is there without JavaScript."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The pages by section; those of one app as Django has them."""
        apps = super().get_app_list(request, app_label)
        return (
            apps if app_label is not None else arrange(apps, [page for page in pages() if page.opens_for(request.user)])
        )

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The figures that ``settings.STAFF_HOME`` finds, above the list of pages."""
        figures = import_string(settings.STAFF_HOME)(request)
        return super().index(request, {**(extra_context or {}), **figures})

    def app_index(self, request: HttpRequest, app_label: str, extra_context: Any = None) -> TemplateResponse:
        """The first page: pages stand in sections here, not by the app that keeps their rows."""
        return redirect("admin:index")  # type: ignore[return-value]  # Django sends it on as it is

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page shows; to staff who may see anything at all also what is unwell on this site."""
        context = super().each_context(request)
        is_shown = self._shows_something_to(request)
        waiting = import_string(settings.STAFF_WAITING)(request.user) if is_shown else {}
        return {
            **context,
            "available_apps": mark_current(context["available_apps"], request.path, waiting),
            "waiting": sum(waiting.values()),
            "faults": health.faults() if is_shown else [],
        }

    def get_urls(self) -> list[URLPattern | URLResolver]:
        ours = [path(page.route, self.admin_view(page.guarded()), name=page.name) for page in pages()]
        # Staff changes its own password where everybody does: noted in the audit log, and with mail to its owner.
        password = RedirectView.as_view(pattern_name="account_change_password")
        return [
            path("password_change/", password, name="password_change"),
            *ours,
            *super().get_urls(),
        ]

    def _shows_something_to(self, request: HttpRequest) -> bool:
        user = request.user
        return self.has_permission(request) and isinstance(user, PermissionsMixin) and bool(user.get_all_permissions())


class SuperusersOnly(Bounded):
    """A page that no permission opens. What a library's action does to rows is noted, as Django notes what is saved.

    Its list counts no whole table, and has no filter for which Django looks for the values in every row.
    """

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [each for each in super().get_list_filter(request) if not self._is_looked_up(each)]

    def _is_looked_up(self, each: Any) -> bool:
        """Whether it is a column of text, of which nobody knows the values beforehand."""
        if not isinstance(each, str) or "__" in each:
            return False
        column = self.opts.get_field(each)
        return isinstance(column, CharField | TextField) and not column.flatchoices

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        offered: dict[str, Any] = super().get_actions(request) or {}
        return {
            name: (action if name == "delete_selected" else _with_note(action, str(description)), name, description)
            for name, (action, name, description) in offered.items()
        }

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request) and super().has_delete_permission(request, obj)


def _for_superusers(admin_class: type[admin.ModelAdmin[Any]] | None) -> type[admin.ModelAdmin[Any]]:
    own = admin_class or admin.ModelAdmin
    return type(f"SuperusersOnly{own.__name__}", (SuperusersOnly, *_once(own)), {})


def _of_ours(admin_class: type[admin.ModelAdmin[Any]] | None) -> type[admin.ModelAdmin[Any]]:
    """With what each page of ours does. What a library keeps may be a secret, so of that no value is noted."""
    own = admin_class or admin.ModelAdmin
    return type(own.__name__, (NotesValues, LinksByRight, *_once(own)), {})


def _once(own: type[admin.ModelAdmin[Any]]) -> tuple[type[admin.ModelAdmin[Any]], ...]:
    """A page's class with ``Headed`` behind it, so that its own titles go before the common ones."""
    return (own, Headed) if own is not admin.ModelAdmin else (Headed,)


def _with_note(action: Callable[..., Any], description: str) -> Callable[..., Any]:
    @functools.wraps(action)
    def noted(model_admin: admin.ModelAdmin[Any], request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        rows = list(queryset)  # before: it may be why they are in it no more
        answer = action(model_admin, request, queryset)
        for row in rows:
            model_admin.log_change(request, row, description)
        return answer

    return noted


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))
