"""The rights of staff as superusers give them: by the pages that they open, and only those that open one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.forms.models import ModelChoiceIterator
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from accounts.models import User
from accounts.staff_roles import PERMISSIONS
from loremotion.staff_pages import StaffPage, pages
from loremotion.staff_sections import SECTIONS, section_of
from loremotion.staff_site import SuperusersOnly

_OF_DJANGO: Final = {"view": "See", "add": "Add", "change": "Change", "delete": "Delete"}
"""Begin of the names of the rights that every model has → what it is to have one, in this order."""
_AFTER: Final = len(_OF_DJANGO) + 1
"""Where the rights begin that are not Django's."""
OTHERS: Final = "Others, which open no page"


@dataclass(frozen=True, slots=True)
class Right:
    """A permission beside the page that it opens."""

    permission: Permission
    section: str
    page: str
    words: str
    place: tuple[int, str, int]
    """By which rights are sorted: section, page, and among those of a page."""

    def __str__(self) -> str:
        return self.words if self.page == OTHERS else f"{self.heading} › {self.words}"

    @property
    def heading(self) -> str:
        return self.page if self.page in (self.section, OTHERS) else f"{self.section} › {self.page}"


def rights() -> list[Right]:
    """Return every right, in the order of the side bar; behind them those that open nothing."""
    found = [_right(each) for each in Permission.objects.select_related("content_type")]
    return sorted(found, key=lambda right: right.place)


def name_of_right(code: str) -> str:
    """Return ``app.codename`` as it is called on a role's page: "Clips › Reports › See". Of none: empty."""
    app, _, codename = code.partition(".")
    found = Permission.objects.select_related("content_type").filter(content_type__app_label=app, codename=codename)
    permission = found.first()
    return str(_right(permission)) if permission is not None else ""


def _right(permission: Permission) -> Right:
    model, verb = permission.content_type.model_class(), permission.codename.partition("_")[0]
    code = f"{permission.content_type.app_label}.{permission.codename}"
    kind = model._meta if model is not None else None
    if kind is None or verb not in _OF_DJANGO or permission.codename != f"{verb}_{kind.model_name}":
        return _of_ours(permission, code)
    page = _page_that_takes(kind.model, verb, is_known=any(code in held for held in PERMISSIONS.values()))
    at, words = [*_OF_DJANGO].index(verb), f"{_OF_DJANGO[verb]} {kind.verbose_name_plural}"
    if page is None:
        return _elsewhere(permission, code, words)
    is_own = page.model is kind.model
    return _placed(permission, *_of_model(page.model), *((_OF_DJANGO[verb], at) if is_own else (words, _AFTER + at)))


def _of_ours(permission: Permission, code: str) -> Right:
    """One that a model of ours declares: what it opens says the page that asks for it, else it is its model's."""
    words, model = capfirst(permission.name.removeprefix("Can ")), permission.content_type.model_class()
    if _home_of(code) is None and model in admin.site._registry:
        return _placed(permission, *_of_model(model), words, _AFTER)
    return _elsewhere(permission, code, words)


def _elsewhere(permission: Permission, code: str, words: str) -> Right:
    """One that no model's page asks for."""
    home = _home_of(code)
    section, page = (home.section, home.title) if home is not None else (OTHERS, OTHERS)
    return _placed(permission, section, page, words, _AFTER - words.startswith("See "))


def _placed(permission: Permission, section: str, page: str, words: str, at: int) -> Right:
    order = [*SECTIONS, OTHERS]
    return Right(permission, section, page, words, (order.index(section), page.lower(), at))


def _of_model(model: type[Model]) -> tuple[str, str]:
    return section_of(model._meta.app_label, model._meta.model_name or ""), capfirst(
        str(model._meta.verbose_name_plural)
    )


def _page_that_takes(model: type[Model], verb: str, *, is_known: bool) -> admin.ModelAdmin[Any] | None:
    """The page that does ``verb`` to rows of ``model`` for whoever has the right: its own, or the one that it is in.

    Args:
        is_known: whether a role of ours has the right, which a page then asks for in some way of its own.
    """
    request = HttpRequest()
    request.user = User(is_active=True, is_superuser=True)
    own = admin.site._registry.get(model)
    if own is not None:
        takes = is_known or getattr(own, f"has_{verb}_permission")(request)
        return own if takes and not isinstance(own, SuperusersOnly) else None
    for page in admin.site._registry.values():
        for inline in page.get_inline_instances(request):
            can = inline.can_delete if verb == "delete" else True
            if inline.model is model and can and getattr(inline, f"has_{verb}_permission")(request, None):
                return page
    return None


def _home_of(code: str) -> StaffPage | None:
    """The page of the side bar that asks for a permission, or from which one is reached that does."""
    asking = next((page for page in pages() if page.permission == code), None)
    above = [each for each in pages() if each.title and asking is not None and asking.route.startswith(each.route)]
    return max(above, key=lambda each: len(each.route), default=None)


class _Choices(ModelChoiceIterator):  # type: ignore[type-arg]  # generic in its stubs alone
    """In groups, a page each."""

    def __iter__(self) -> Iterator[Any]:
        shown = self.field.shown()  # type: ignore[attr-defined]  # that of RightsField
        for heading, group in groupby(shown, key=lambda right: right.heading):
            yield heading, [(right.permission.pk, right.words) for right in group]


class RightsBoxes(forms.CheckboxSelectMultiple):
    """A line of boxes for each page."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        context = self.get_context(name, value, attrs)
        return render_to_string("admin/rights.html", context)


class RightsField(forms.ModelMultipleChoiceField[Permission]):
    """Offers the rights that open a page, and those that somebody ``held`` before: saving takes none away unseen."""

    iterator = _Choices
    widget = RightsBoxes

    def __init__(self, **options: Any) -> None:
        self.held: frozenset[int] = frozenset()
        super().__init__(Permission.objects.all(), required=False, **options)

    def shown(self) -> list[Right]:
        return [right for right in rights() if right.page != OTHERS or right.permission.pk in self.held]
