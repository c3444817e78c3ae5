"""Pages and actions of the admin that are no model's. Each has one permission of its own, asked for in one place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.utils.module_loading import import_string

View = Callable[..., HttpResponseBase]


class RightLacking(PermissionDenied):
    """Somebody of the staff may not do this: says which permission it takes, ``app.codename``."""

    def __init__(self, permission: str) -> None:
        super().__init__()
        self.permission = permission


@dataclass(frozen=True, slots=True)
class StaffPage:
    """A page, or with ``is_action`` what a button on one does."""

    name: str
    """Of its address: ``admin:<name>``."""
    route: str
    view: View
    permission: str
    title: str = ""
    """In the list of pages; empty: it is reached from another one."""
    section: str = ""
    is_action: bool = False

    def opens_for(self, user: object) -> bool:
        return isinstance(user, PermissionsMixin) and user.has_perm(self.permission)

    def guarded(self) -> View:
        """The view behind its permission; an action takes POST alone."""

        @functools.wraps(self.view)
        def view(request: HttpRequest, **arguments: object) -> HttpResponseBase:
            if not self.opens_for(request.user):
                raise RightLacking(self.permission)
            if self.is_action and request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            return self.view(request, **arguments)

        return view


def pages() -> tuple[StaffPage, ...]:
    """Return those that ``settings.STAFF_PAGES`` names."""
    found: tuple[StaffPage, ...] = import_string(settings.STAFF_PAGES)
    return found
