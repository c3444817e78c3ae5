"""What somebody of the staff reads where they may not go, the right that it takes and the roles that have it; and
where there is nothing."""

from __future__ import annotations

from copy import copy
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.module_loading import import_string

from loremotion import errors
from loremotion.staff_pages import RightLacking
from loremotion.staff_site import SuperusersOnly

FOR_SUPERUSERS: Final = "This page opens for superusers alone, whatever rights an account has."
_TAKES: Final = {"changelist": "view", "history": "view", "add": "add", "delete": "delete"}
"""Page of a model → what it takes; a row's own page takes what is done there."""


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler for 403. In the admin it knows what is lacking; everywhere else there is less to say.

    Apart from ``loremotion.errors``, which is imported before there are models.
    """
    if not _is_in_the_admin(request) or errors.wants_json(request):
        return errors.permission_denied(request, exception)
    page, what, needed = _page_of(request)
    needed = exception.permission if isinstance(exception, RightLacking) else needed
    context = {
        **admin.site.each_context(request),
        "title": "You may not do this",
        "right": import_string(settings.STAFF_RIGHT)(needed),
        "roles": _roles_with(needed),
        "has_right": bool(needed) and request.user.has_perm(needed),
        "said": str(exception),
        "back": _row_of(request, page) or _came_from(request),
    }
    if isinstance(page, SuperusersOnly):
        context |= {"said": FOR_SUPERUSERS, "right": "", "roles": []}
    elif page is not None and not isinstance(exception, RightLacking) and _is_for_nobody(request, page, what):
        context |= {"said": _instead(page, what), "is_for_nobody": True}
    return render(request, "admin/refusal.html", context, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler for 404: staff stays in the admin."""
    if not _is_in_the_admin(request) or errors.wants_json(request):
        return errors.not_found(request, exception)
    context = {
        **admin.site.each_context(request),
        "title": "Not found",
        "said": "There's no such page, or what it was about is gone. Go back, or look for it in its list.",
        "is_for_nobody": True,
        "back": _list_of(request) or _came_from(request),
    }
    return render(request, "admin/refusal.html", context, status=404)


def _is_in_the_admin(request: HttpRequest) -> bool:
    """Whether somebody of the staff asks there."""
    return request.path.startswith(reverse("admin:index")) and admin.site.has_permission(request)


def _page_of(request: HttpRequest) -> tuple[ModelAdmin[Any] | None, str, str]:
    """The model's page that an address is of, what is done there, and the permission it takes; none for any other."""
    match = request.resolver_match
    address = (match.url_name if match else "") or ""
    for model, page in admin.site._registry.items():
        app, name = model._meta.app_label, model._meta.model_name
        if address.startswith(f"{app}_{name}_"):
            what = address.removeprefix(f"{app}_{name}_")
            action = ("view" if request.method == "GET" else "change") if what == "change" else _TAKES.get(what, "")
            return page, action, f"{app}.{action}_{name}" if action else ""
    return None, "", ""


def _row_of(request: HttpRequest, page: ModelAdmin[Any] | None) -> tuple[str, str] | None:
    """Address and name of the row that it is about, for whoever may look at it."""
    key = request.resolver_match.kwargs.get("object_id") if request.resolver_match else None
    row = page.get_object(request, unquote(key)) if page is not None and key is not None else None
    if page is None or row is None or not page.has_view_permission(request, row):
        return None
    address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_change", args=[quote(row.pk)])
    return address, getattr(page, "headline", str)(row)


def _list_of(request: HttpRequest) -> tuple[str, str] | None:
    """Address and name of the list in which the row would stand, for whoever may look at it."""
    page, _, _ = _page_of(request)
    if page is None or not page.has_view_permission(request):
        return None
    address = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
    return address, str(page.opts.verbose_name_plural)


def _came_from(request: HttpRequest) -> tuple[str, str] | None:
    """The page of the admin from which somebody was led here, as far as their browser says."""
    address = request.headers.get("Referer", "")
    is_here = url_has_allowed_host_and_scheme(address, {request.get_host()})
    path = urlsplit(address).path
    nowhere = ("", reverse("admin:index"), request.path)
    is_other = path not in nowhere and path.startswith(reverse("admin:index"))
    return (address, "the page before") if is_here and is_other else None


def _is_for_nobody(request: HttpRequest, page: ModelAdmin[Any], what: str) -> bool:
    """Whether the page would refuse it to somebody with every right as well."""
    match = request.resolver_match
    key = match.kwargs.get("object_id") if match else None
    of_all = copy(request)
    of_all.user = get_user_model()(is_active=True, is_superuser=True)
    row = () if key is None else (page.get_object(of_all, unquote(key)),)
    return bool(what) and not getattr(page, f"has_{what}_permission")(of_all, *row)


def _instead(page: ModelAdmin[Any], what: str) -> str:
    """What is done instead, where the model's page says so in ``instead``: action → a sentence."""
    return " ".join(["Nobody can do this here.", getattr(page, "instead", {}).get(what, "")]).strip()


def _roles_with(permission: str) -> list[str]:
    app, _, codename = permission.partition(".")
    groups = Group.objects.filter(permissions__content_type__app_label=app, permissions__codename=codename)
    return list(groups.order_by("name").values_list("name", flat=True))
