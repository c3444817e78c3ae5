"""People and tenants, for staff."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts import bans, impersonation, networks, whose, workspaces
from accounts import role_admin as role_admin  # its pages are registered with these, as are the next two's
from accounts import sign_in_admin as sign_in_admin
from accounts import user_admin as user_admin
from accounts.models import Ban, Membership, User, Visitor, Workspace
from loremotion.bounded_paginator import Bounded
from loremotion.exact_search import any_of
from loremotion.headed import Headed
from loremotion.row_acts import RowAct, RowActs

NOBODYS: Final = "Nobody is in this workspace: it is the site's own, for test renders. Nothing was done."


class MembershipInline(admin.TabularInline[Membership, Workspace]):
    """Read only: who comes into a team is asked and audited, and staff looks on without being a member."""

    model = Membership
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return False


@admin.register(Workspace)
class WorkspaceAdmin(Headed, RowActs, Bounded):
    list_display = ["title", "kind_of_it", "created_at", "suspended_at"]
    list_filter = ["kind"]
    ordering = ["-created_at", "-id"]
    search_fields = ["^name"]
    search_help_text = "The beginning of a name. Find a customer by anything else under Customers."
    inlines = [MembershipInline]
    actions = ["look_into", "suspend_selected", "unsuspend_selected", "ban_visitor"]
    row_acts: ClassVar = {
        "look_into": RowAct("Look into", is_offered=whose.is_somebodys),
        "suspend_selected": RowAct(
            "Suspend",
            "What runs is cancelled; clips and credits stay.",
            is_offered=lambda each: not each.suspended_at and whose.is_somebodys(each),
        ),
        "unsuspend_selected": RowAct("Lift the suspension", is_offered=lambda each: bool(each.suspended_at)),
        "ban_visitor": RowAct("Ban…", is_offered=lambda each: each.kind == Workspace.Kind.VISITOR),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        return super().get_queryset(request).prefetch_related(whose.owners())

    def headline(self, workspace: Workspace) -> str:
        return whose.title_of(workspace)

    @admin.display(description="workspace")
    def title(self, workspace: Workspace) -> str:
        return whose.title_of(workspace)

    @admin.display(description="kind")
    def kind_of_it(self, workspace: Workspace) -> str:
        return workspace.get_kind_display() if whose.is_somebodys(workspace) else "The site's own"

    def has_look_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(impersonation.PERMISSION)

    @admin.action(description="Look into it, read only", permissions=["look"])
    def look_into(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> HttpResponse | None:
        chosen = list(queryset[:2])
        if len(chosen) == 1 and not whose.is_somebodys(chosen[0]):
            self.message_user(request, NOBODYS, messages.WARNING)
            return None
        if len(chosen) != 1:
            self.message_user(request, "Look into one workspace at a time.", messages.WARNING)
            return None
        impersonation.begin(request, chosen[0])
        return redirect("generation:history")

    def get_readonly_fields(self, request: HttpRequest, obj: Workspace | None = None) -> tuple[str, ...]:
        """Suspending cancels what runs and is audited: it is an action, not a field. The rest is for members to say."""
        return ("id", "kind", "name", "makes_private_clips", "created_at", "suspended_at", "closed_at", "merged_into")

    def has_add_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return False  # one without anybody in it would be nobody's

    def has_delete_permission(self, request: HttpRequest, obj: Workspace | None = None) -> bool:
        return False

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.suspend_workspace")

    @admin.action(description="Suspend: cancel what runs, keep clips and credits", permissions=["suspend"])
    def suspend_selected(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> None:
        for workspace in queryset:
            if not whose.is_somebodys(workspace):
                self.message_user(request, NOBODYS, messages.WARNING)
                continue
            workspaces.suspend(workspace, actor=_name_of(request), reason="by staff")
            said = f"{whose.title_of(workspace)}: suspended. What ran is cancelled, clips and credits are kept."
            self.message_user(request, said, messages.SUCCESS)

    @admin.action(description="Lift the suspension", permissions=["suspend"])
    def unsuspend_selected(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> None:
        for workspace in queryset:
            workspaces.unsuspend(workspace, actor=_name_of(request))
            self.message_user(request, f"{whose.title_of(workspace)}: the suspension is lifted.", messages.SUCCESS)

    def has_ban_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.add_ban")

    @admin.action(description="Ban the visitor whose it is", permissions=["ban"])
    def ban_visitor(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> HttpResponse | None:
        chosen = list(Visitor.objects.filter(workspace__in=queryset)[:2])
        if len(chosen) != 1:
            self.message_user(request, "Ban one visitor at a time; people are suspended.", messages.WARNING)
            return None
        return redirect(f"{reverse('admin:accounts_ban_add')}?{urlencode({'visitor': str(chosen[0].id)})}")


class BanForm(forms.ModelForm[Ban]):
    """One visitor, or a network by any address in it. Of the address only a keyed hash of the prefix is kept."""

    address = forms.CharField(
        required=False,
        max_length=50,
        label="Or a network",
        help_text="An address in it. Its /24 is banned, or for IPv6 its /56.",
    )
    and_network = forms.BooleanField(
        required=False,
        label="And the network that the visitor came from",
        help_text=f"Known for {networks.KEPT.days} days.",
    )

    class Meta:
        model = Ban
        fields = ["visitor", "and_network", "address", "reason", "until"]
        widgets = {"visitor": forms.TextInput(attrs={"size": 40})}

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        visitor, address = said.get("visitor"), said.get("address")
        if not self.errors and bool(visitor) == bool(address):
            raise forms.ValidationError("Name a visitor or an address, one of the two.")
        if visitor and said.get("and_network") and not visitor.network:
            self.add_error("and_network", "Where this visitor came from is not known any more.")
        if address:
            try:
                said["network"] = networks.lasting_fingerprint(networks.prefix_around(address))
            except ValueError as error:
                self.add_error("address", str(error))
        return said

    def _post_clean(self) -> None:
        """``accounts.bans`` makes the row, and the database checks it: nothing is put together here."""


@admin.register(Ban)
class BanAdmin(RowActs, Bounded):
    """Bans are added and lifted. What one says never changes, because somebody has read it."""

    form = BanForm
    list_display = ["created_at", "whom", "reason", "until", "lifted_at", "banned_by"]
    list_select_related = ["visitor", "banned_by"]
    search_fields = ["id"]
    search_help_text = "The whole id of a visitor or of the workspace"
    ordering = ["-id"]
    actions = ["lift_selected"]
    row_acts: ClassVar = {
        "lift_selected": RowAct(
            "Lift", "They may come in again, and so may their network.", is_offered=lambda ban: ban.lifted_at is None
        )
    }

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Ban], search_term: str
    ) -> tuple[QuerySet[Ban], bool]:
        """Bans of the visitor that the whole of what was typed names."""
        if not search_term.strip():
            return queryset, False
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        visitors = Visitor.objects.filter(any_of(("id", "workspace"), wanted)).values_list("id", flat=True)
        return queryset.filter(visitor__in=list(visitors)), False

    @admin.display()
    def whom(self, ban: Ban) -> str:
        return str(ban.visitor) if ban.visitor is not None else f"network {ban.network[:8]}…"

    def has_change_permission(self, request: HttpRequest, obj: Ban | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Ban | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Ban, form: BanForm, change: bool) -> None:
        assert isinstance(request.user, User)
        said = form.cleaned_data
        visitor, terms = said["visitor"], {"by": request.user, "reason": said["reason"], "until": said["until"]}
        if visitor is None:
            made = bans.ban_network(said["network"], **terms)
        else:
            made = bans.ban_visitor(visitor, **terms)
            if said["and_network"]:
                self.log_addition(request, bans.ban_network(visitor.network, **terms), f"With {made}.")
        obj.pk = made.pk
        obj.refresh_from_db()

    @admin.action(description="Lift", permissions=["change"])
    def lift_selected(self, request: HttpRequest, queryset: QuerySet[Ban]) -> None:
        for ban in queryset.select_related("visitor__workspace"):
            bans.end(ban, actor=_name_of(request))
            self.log_change(request, ban, "Lifted the ban.")
            self.message_user(request, f"{self.whom(ban)}: the ban is lifted.", messages.SUCCESS)


def _name_of(request: HttpRequest) -> str:
    assert isinstance(request.user, User)
    return f"staff {request.user.email}"
