"""How much of the audit log somebody of the staff sees: all of it, or what staff did on the pages that they may open;
and whether they read whose addresses stand in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest

from accounts.audit_sentences import WORDS
from generation.models import FleetSample, Generation
from generation.staff.audit.acts import AREAS, Act, area_of_event, area_of_model

MAY_READ_ALL: Final = "accounts.view_auditentry"
SOMEBODY: Final = "a member"
"""Who did it, for those who may not look people up."""
_AN_ADDRESS: Final = re.compile(r"[^\s<>()\[\]{}\"',;:=]+@[^\s<>()\[\]{}\"',;:=]+")


@dataclass(frozen=True, slots=True)
class Sight:
    """What of both tables somebody sees."""

    kinds: tuple[int, ...] | None
    """Content types of the rows of which they read what was done to them; None: of all."""
    events: tuple[str, ...] | None
    """Of the workspaces' logs, those events of which they read what staff did; None: of all, whoever did it."""
    areas: tuple[str, ...]
    """Sections of the admin in which something can have been done that they see."""
    names_people: bool
    names_customers: bool

    @classmethod
    def of(cls, request: HttpRequest) -> Sight:
        """Return what whoever asks sees. Whose address stands beside a customer's name, they may read."""
        user: Any = request.user
        names_customers = user.has_perm("accounts.view_workspace")
        names_people = names_customers or user.has_perm("accounts.view_user")
        if user.has_perm(MAY_READ_ALL):
            return cls(None, None, tuple(AREAS), names_people, names_customers)
        models = [model for model, page in admin.site._registry.items() if page.has_view_permission(request)]
        models += [FleetSample] if user.has_perm("generation.view_fleet") else []
        events = [event for event in WORDS if area_of_event(event) == "Clips"] if Generation in models else []
        areas = {area_of_model(model) for model in models}
        return cls(
            kinds=tuple(kind.id for kind in _kinds_of(models)),
            events=tuple(events),
            areas=tuple(area for area in AREAS if area in areas),
            names_people=names_people,
            names_customers=names_customers,
        )

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole log, with what members did."""
        return self.events is None

    def shown(self, act: Act) -> Act:
        """Return ``act`` as they read it: without addresses of people whom they may not look up.

        Those of colleagues stay: who of the staff did something is what the log is for.
        """
        if self.names_people:
            return act
        return replace(
            act,
            who=act.who if act.is_of_staff else _without_addresses(act.who, SOMEBODY),
            by=act.by if act.is_of_staff else "",
            words=_without_addresses(act.words),
            detail=_without_addresses(act.detail),
            object=_without_addresses(act.object),
        )


def _kinds_of(models: list[type[Model]]) -> list[ContentType]:
    return [*ContentType.objects.get_for_models(*models, for_concrete_models=False).values()] if models else []


def _without_addresses(text: str, instead: str = "somebody") -> str:
    return _AN_ADDRESS.sub(instead, text)
