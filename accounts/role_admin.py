"""Roles of the staff, for superusers: what each is for, who has it, and what it opens."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from accounts.rights import RightsField
from accounts.staff_roles import MEANING
from loremotion.detail_page import link

admin.site.unregister(Group)


class RoleForm(forms.ModelForm[Group]):
    permissions = RightsField(label="What it opens")

    class Meta:
        model = Group
        fields = ("name", "permissions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["permissions"]
        if isinstance(field, RightsField) and self.instance.pk is not None:
            field.held = frozenset(self.instance.permissions.values_list("pk", flat=True))


@admin.register(Group)
class RoleAdmin(GroupAdmin):
    form = RoleForm
    filter_horizontal = ()
    list_display = ("name", "meaning", "people", "rights")
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        counted = {"held_by": Count("user", distinct=True), "opens": Count("permissions", distinct=True)}
        return super().get_queryset(request).annotate(**counted)

    def get_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        return ("name", "permissions") if obj is None else ("name", "meaning", "people", "permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        """The name too of those that migrations know by it."""
        shown = ("meaning", "people")
        return ("name", *shown) if obj is not None and obj.name in MEANING else shown

    @admin.display(description="what it is for", empty_value="")
    def meaning(self, role: Group) -> str:
        return str(capfirst(MEANING.get(role.name, "")))

    @admin.display(ordering="held_by")
    def people(self, role: Any) -> SafeString | str:
        address = reverse("admin:accounts_user_changelist") + "?" + urlencode({"role": role.name})
        return link(address if role.held_by else "", role.held_by or "nobody")

    @admin.display(ordering="opens")
    def rights(self, role: Any) -> int:
        return int(role.opens)
