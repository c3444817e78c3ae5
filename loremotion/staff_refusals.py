"""What somebody of the staff reads where they may not go: the right that it takes, and the roles that have it."""

from __future__ import annotations

from typing import Final

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from loremotion import errors
from loremotion.staff_pages import RightLacking

_TAKES: Final = {"changelist": "view", "history": "view", "add": "add", "delete": "delete"}
"""Page of a model → what it takes; a row's own page takes what is done there."""


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler for 403. In the admin it knows what is lacking; everywhere else there is less to say.

    Apart from ``loremotion.errors``, which is imported before there are models.
    """
    is_in_the_admin = request.path.startswith(reverse("admin:index")) and admin.site.has_permission(request)
    if not is_in_the_admin or errors.wants_json(request):
        return errors.forbidden(request, exception)
    needed = exception.permission if isinstance(exception, RightLacking) else _permission_of(request)
    context = {
        **admin.site.each_context(request),
        "title": "You may not do this",
        "said": str(exception),
        "right": _named(needed),
        "roles": _roles_with(needed),
    }
    return render(request, "admin/refusal.html", context, status=403)


def _permission_of(request: HttpRequest) -> str:
    """The permission that a page of a model takes, by its address; empty for any other page."""
    match = request.resolver_match
    app, _, rest = ((match.url_name if match else "") or "").partition("_")
    model, _, page = rest.rpartition("_")
    if page == "change":
        return f"{app}.{'view' if request.method == 'GET' else 'change'}_{model}"
    return f"{app}.{_TAKES[page]}_{model}" if model and page in _TAKES else ""


def _named(permission: str) -> str:
    app, _, codename = permission.partition(".")
    found = Permission.objects.filter(content_type__app_label=app, codename=codename)
    return found.values_list("name", flat=True).first() or ""


def _roles_with(permission: str) -> list[str]:
    app, _, codename = permission.partition(".")
    groups = Group.objects.filter(permissions__content_type__app_label=app, permissions__codename=codename)
    return list(groups.order_by("name").values_list("name", flat=True))
