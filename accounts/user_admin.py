"""People, for staff: who they are, what they may do, and whether they can sign in."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    ReadOnlyPasswordHashField,
    ReadOnlyPasswordHashWidget,
    SetUnusablePasswordMixin,
    UserChangeForm,
)
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext

from accounts import staff_roles
from accounts.models import User
from accounts.rights import RightsField, name_of_right
from loremotion.bounded_paginator import Bounded


class RolesField(forms.ModelMultipleChoiceField[Group]):
    def label_from_instance(self, obj: Group) -> str:
        meaning = staff_roles.MEANING.get(obj.name)
        return f"{obj.name}: {meaning}" if meaning else obj.name


class RoleFilter(admin.SimpleListFilter):
    title = parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        roles = Group.objects.order_by("name").values_list("name", flat=True)
        return [*((name, name) for name in roles), ("none", "Staff without a role")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        match self.value():
            case None:
                return queryset
            case "none":
                return queryset.filter(is_staff=True, is_superuser=False, groups=None)
        return queryset.filter(groups__name=self.value())


class PasswordSet(ReadOnlyPasswordHashWidget):
    """Whether there is a password, and the button that sets one. Algorithm, salt and hash help nobody."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        is_set = bool(value) and is_password_usable(value)
        return {
            **context,
            "summary": [{"label": "Set" if is_set else "None: they sign in in another way"}],
            "button_label": "Change password" if is_set else "Set password",
        }


_WORDS: Final = {
    "is_active": ("Active", "Whoever is not active cannot sign in; what is theirs stays."),
    "is_staff": ("Staff", "Staff open these pages, and see of them what their roles say."),
    "is_superuser": ("Superuser", "Superusers do everything on these pages, whatever their roles say."),
    "groups": ("Roles", "Together they say which of these pages open."),
}
"""Field → label and what it means, where Django's say less."""


class ChangeForm(UserChangeForm[User]):
    class Meta(UserChangeForm.Meta):
        """Django names by these also what a page only shows."""

        labels: ClassVar = {name: label for name, (label, _) in _WORDS.items()}
        help_texts: ClassVar = {name: help_text for name, (_, help_text) in _WORDS.items()}

    password = ReadOnlyPasswordHashField(
        label="Password",
        widget=PasswordSet,
        help_text="Nobody can read it. Setting another one signs them out everywhere.",
    )
    user_permissions = RightsField(label="Rights")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(rights := self.fields.get("user_permissions"), RightsField):
            rights.held = frozenset(self.instance.user_permissions.values_list("pk", flat=True))


_WITHOUT: Final = "Without one they sign in with a code that they get by mail, with a passkey, or with another account."


# Django's script shows and hides the warning by its id.
_LOST: Final = """<ul id="id_unusable_warning" class="messagelist">
<li class="warning">The password that they have is lost.</li></ul>"""


def _with_password_or_without(more: str = "") -> forms.ChoiceField:
    """Django's field, in words that say what it means to whoever signs in."""
    field = SetUnusablePasswordMixin.create_usable_password_field(f"{_WITHOUT}{more}")
    field.label, field.choices = "Signs in with", [("true", "A password"), ("false", "No password")]
    return field


_SAID_BY_DJANGO: Final = "Password-based authentication was disabled."
_SAID: Final = f"They have no password any more. {_WITHOUT}"


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in its stubs alone
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "usable_password" in self.fields:
            self.fields["usable_password"] = _with_password_or_without(_LOST)
            self.order_fields(["usable_password", *self.fields])


class AddForm(AdminUserCreationForm[User]):
    usable_password = _with_password_or_without()


@admin.register(User)
class UserAdmin(Bounded, DjangoUserAdmin[User]):
    ordering = ["email"]
    list_display = ["email", "name", "standing", "joined_at"]
    list_filter = ["is_staff", "is_active", RoleFilter]
    instead: ClassVar = {
        "delete": "People delete their accounts themselves, on their account page. Take “Active” off their account"
        " instead: they cannot sign in any more."
    }
    keeps_values = False  # names and addresses: the log outlives the account

    @admin.display(description="role")
    def standing(self, user: User) -> str:
        """What a member of staff may do, and whether anybody may sign in at all."""
        roles = [group.name for group in user.groups.all()] if user.is_staff else []
        role = (
            "superuser" if user.is_superuser else ", ".join(roles) or ("staff, without a role" if user.is_staff else "")
        )
        return role if user.is_active else f"{role}, switched off".lstrip(", ")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    search_fields = ["^email", "^name"]
    form = ChangeForm
    add_form = AddForm
    add_form_template = "admin/accounts/user/add_form.html"
    change_password_form = PasswordForm
    change_user_password_template = "admin/accounts/user/change_password.html"  # noqa: S105 - a template
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Single rights, beyond those of the roles", {"classes": ("collapse",), "fields": ("user_permissions",)}),
    )
    filter_horizontal = ()
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """The password for whoever may set it: its row is a button."""
        found = super().get_fieldsets(request, obj)
        if obj is None or _is_superuser(request):
            return found
        shown: dict[Any, str] = {"groups": "roles", "user_permissions": "single_rights"}
        if not self.has_change_permission(request, obj):
            shown["password"] = ""
        return [
            (title, {**options, "fields": [now for name in options["fields"] if (now := shown.get(name, name))]})
            for title, options in found
        ]

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or "None"

    @admin.display(description="Rights")
    def single_rights(self, user: User) -> str:
        codes = user.user_permissions.values_list("content_type__app_label", "codename")
        return "; ".join(sorted(name_of_right(".".join(code)) for code in codes)) or "None"

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Django's page, whose message is told in our words."""
        answer = super().user_change_password(request, id, form_url)
        if not isinstance(answer, HttpResponseRedirect):
            return answer
        for message in list(messages.get_messages(request)):
            said = _SAID if message.message == gettext(_SAID_BY_DJANGO) else message.message
            messages.add_message(request, message.level or messages.SUCCESS, said, message.extra_tags or "")
        return answer

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Roles are few, and ticked; each says what it is for."""
        if db_field.name != "groups":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return db_field.formfield(form_class=RolesField, widget=forms.CheckboxSelectMultiple, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Superusers alone change rights: whoever may change users does not thereby become one."""
        return () if _is_superuser(request) else ("is_staff", "is_superuser", "roles", "single_rights")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers alone change staff's password or address: whoever did could sign in as them."""
        is_above = obj is not None and (obj.is_staff or obj.is_superuser) and not _is_superuser(request)
        return not is_above and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Erasing somebody takes more than their row: see ``accounts.erasure``."""
        return False


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser
