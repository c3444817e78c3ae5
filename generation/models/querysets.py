"""The queries that pages, API and staff make of requests."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import models
from django.db.models import F, Subquery
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from generation.models.state import OPEN_STATES

if TYPE_CHECKING:
    from generation.models.generation import Generation  # noqa: F401 - the base below names it in quotes

_PLACE: Final = Tuple(F("created_at"), F("id"))
"""Of a clip in the order of lists."""


class GenerationQuerySet(models.QuerySet["Generation"]):
    def of(self, workspace: Workspace | None) -> GenerationQuerySet:
        """The tenant's own, whichever member asks."""
        return self.filter(workspace=workspace) if workspace is not None else self.none()

    def seen_by(self, caller: Caller) -> GenerationQuerySet:
        """What the caller sees of the tenant's: the only way in which pages and the API reach a generation."""
        return reduce(or_, self.parts_seen_by(caller), self.none())

    def parts_seen_by(self, caller: Caller) -> list[GenerationQuerySet]:
        """``seen_by`` as disjoint parts, each with an index of its own.

        A private clip is seen by who made it and by whoever the table of roles lets see all of them. What a key made,
        its successors see too, and who manages keys.
        """
        if not caller.may(Action.READ_CLIPS):
            return []
        own = self.of(caller.workspace)
        if caller.may(Action.READ_PRIVATE_CLIPS):
            return [own]
        parts, private = [own.filter(is_private=False)], own.filter(is_private=True)
        if caller.key is not None:
            parts.append(private.filter(api_key=caller.key.line_id))
        elif caller.user is not None:
            parts.append(private.filter(made_by=caller.user))
            if caller.may(Action.MANAGE_KEYS):
                parts.append(private.filter(api_key__isnull=False))
        return parts

    def open(self) -> GenerationQuerySet:
        return self.filter(state__in=OPEN_STATES)

    def kept(self) -> GenerationQuerySet:
        """Without those whose owner deleted them: for lists, and for everything but the receipt."""
        return self.filter(deleted_at=None)

    def older_than(self, created_at: datetime | Subquery, generation_id: UUID) -> GenerationQuerySet:
        """What comes behind that place in a list that begins with the newest: the next page, whatever its number.

        One comparison of rows: an index begins there. With OR it would walk through every page before.
        """
        return self.filter(TupleLessThan(_PLACE, (created_at, generation_id))).order_by("-created_at", "-id")

    def newer_than(self, created_at: datetime | Subquery, generation_id: UUID) -> GenerationQuerySet:
        """The same for a list that begins with the oldest."""
        return self.filter(TupleGreaterThan(_PLACE, (created_at, generation_id))).order_by("created_at", "id")

    def for_display(self) -> GenerationQuerySet:
        """With everything that a page or the API shows, in a constant number of queries."""
        return self.select_related("clip", "version__model")
