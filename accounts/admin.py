"""People and tenants, for staff."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts import looks, workspaces
from accounts.models import AuditEntry, Membership, User, Workspace


class MembershipInline(admin.TabularInline[Membership, Workspace]):
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    ordering = ["email"]
    list_display = ["email", "name", "is_staff", "is_active", "joined_at"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["email", "name"]
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("What they may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),)


@admin.register(Workspace)
class WorkspaceAdmin(admin.ModelAdmin[Workspace]):
    list_display = ["id", "name", "kind", "created_at", "suspended_at"]
    list_filter = ["kind"]
    search_fields = ["id", "name"]
    inlines = [MembershipInline]
    show_full_result_count = False
    actions = ["look_into", "suspend_selected", "unsuspend_selected"]

    def has_look_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(looks.PERMISSION)

    @admin.action(description="Look into it, read only", permissions=["look"])
    def look_into(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> HttpResponse | None:
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, "Look into one workspace at a time.", messages.WARNING)
            return None
        looks.begin(request, chosen[0])
        return redirect("generation:history")

    def get_readonly_fields(self, request: HttpRequest, obj: Workspace | None = None) -> tuple[str, ...]:
        """Suspending cancels what runs and is audited: it is an action, not a field."""
        return ("id", "kind", "created_at", "suspended_at", "closed_at", "merged_into")

    def has_delete_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return False

    @admin.action(description="Suspend: cancel what runs, keep clips and credits", permissions=["change"])
    def suspend_selected(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> None:
        for workspace in queryset:
            workspaces.suspend(workspace, actor=_name_of(request), reason="by staff")

    @admin.action(description="Lift the suspension", permissions=["change"])
    def unsuspend_selected(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> None:
        for workspace in queryset:
            workspaces.unsuspend(workspace, actor=_name_of(request))


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin[AuditEntry]):
    """Read only, for staff as for everybody."""

    list_display = ["at", "event", "actor", "subject", "workspace_id"]
    search_fields = ["workspace__id", "actor", "subject", "event"]
    ordering = ["-id"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False


def _name_of(request: HttpRequest) -> str:
    assert isinstance(request.user, User)
    return f"staff {request.user.email}"
