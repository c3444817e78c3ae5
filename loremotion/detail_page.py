"""The page of one row in the admin, for whoever has to do something about it: a title in words, what can be done, the
facts with links, and below them, folded, the row itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loremotion.headed import Headed
from loremotion.row_acts import RowActs

MOST_OF_A_NAME: Final = 200
"""Characters that Django's notes have room for."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: what it is, and what is so."""

    label: str
    said: SafeString | str | None
    """Html where it is safe. Of nothing no line is shown."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands, in a few words above the facts."""

    words: str
    look: str = ""
    """``bad``, ``away``, ``good``, ``at-work``, or none for what waits: see static/admin.css."""
    why: SafeString | str = ""
    """What went wrong, or what to do about it."""


def link(address: str, words: object) -> SafeString | str:
    """Return ``words`` as a link; without an address the words alone."""
    return format_html('<a href="{}">{}</a>', address, words) if address else str(words)


def link_outside(address: str, words: str) -> SafeString | str:
    """Return a link to another site, which is not told from where; without an address nothing."""
    return format_html('<a href="{}" rel="noreferrer">{}</a>', address, words) if address else ""


def at(moment: datetime | None) -> str:
    """Return a moment as all pages of staff tell it; of none nothing."""
    return f"{date_format(moment.astimezone(UTC), 'j M Y, H:i')} UTC" if moment is not None else ""


class DetailPage(Headed, RowActs):
    """A row's page made of what ``headline``, ``standing`` and ``facts`` say of it. Its buttons are those of the list's
    rows, and lead back to this page."""

    change_form_template = "admin/detail.html"

    def noted_as(self, row: Any) -> str:
        """What the audit log calls it, after the kind of thing that it is."""
        return str(row)

    def note(self, request: HttpRequest, row: Any, message: str) -> None:
        """Write down what was done to ``row``, under the name that it has here."""
        noted = self.log_change(request, row, message)
        if noted.object_repr != (name := self.noted_as(row)[:MOST_OF_A_NAME]):
            noted.object_repr = name
            noted.save(update_fields=["object_repr"])

    def standing(self, row: Any) -> Standing | None:
        """How it stands."""
        return None

    def facts(self, request: HttpRequest, row: Any) -> Sequence[Fact]:
        """What staff wants to know, the most important first."""
        raise NotImplementedError

    def links_out(self, request: HttpRequest, row: Any) -> Sequence[tuple[str, str]]:
        """Address and words of what whoever asks does about it at another site."""
        return ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [("Every field of the row", {"classes": ["collapse"], "fields": self.get_fields(request, obj)})]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the page, or do what one of its buttons says."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            return super().change_view(request, object_id, form_url, extra_context)  # which says what is wrong
        name = request.POST.get("action", "")
        if request.method == "POST" and name in self.row_acts and name in (allowed := self.get_actions(request)):
            if self.row_acts[name].is_offered(row) and request.POST.get(ACTION_CHECKBOX_NAME) == str(row.pk):
                allowed[name][0](self, request, self.get_queryset(request).filter(pk=row.pk))
            else:
                self.message_user(request, "It stands otherwise by now; nothing was done.", "warning")
            return redirect(request.path)
        shown = {
            "standing": self.standing(row),
            "facts": [fact for fact in self.facts(request, row) if fact.said],
            "links_out": self.links_out(request, row),
            "acts": self.offered(request, row),
            "act_names": list(self.row_acts),
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})


def customer_link(request: HttpRequest, workspace: Any, title: object) -> SafeString | str:
    """Return whose it is, as a link for whoever may look customers up."""
    if workspace is None:
        return ""
    has_page = request.user.has_perm("accounts.view_workspace")
    return link(admin_address("customer", workspace) if has_page else "", title if has_page else workspace)


def admin_address(page: str, *arguments: object) -> str:
    """Return the address of one of the admin's pages."""
    return reverse(f"admin:{page}", args=arguments)
