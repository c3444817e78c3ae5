"""One thing that waits for staff, and what is asked of the database to find it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import PermissionsMixin
from django.db.models import QuerySet
from django.utils import timezone

from generation.staff.tiles import duration
from loremotion.detail_page import at

MOST_COUNTED: Final = 1000
"""Of what waits: a list that long is no number any more, and counting on would grow with it."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for staff."""

    one: str
    many: str
    count: int
    address: str
    todo: str
    """What to do about it."""
    oldest_at: datetime | None = None
    """Since when the first of them waits; None where nobody knows."""
    is_broken: bool = False
    """Whether something does not work until somebody mends it; else somebody decides."""
    due_at: datetime | None = None
    """When the first of them is lost, where somebody sets a time."""
    is_urgent: bool = False
    """Whether it is lost unless it is done in time: it stands first."""
    page: str = ""
    """The list that it is in, where its address is another."""
    act: str = ""
    """The permission that it takes to do it; empty: whoever sees it can."""
    otherwise: str = ""
    """What to do without that."""
    is_waited_for: bool = True
    """Whether somebody waits until it is done; else it could be better."""
    is_one: bool = False
    """Whether it is one thing to look after however many clips it is about: what holds one up holds up all."""
    workspace: UUID | None = None
    """Whose all of them are, where they are one customer's."""
    whose: str = ""
    """What staff calls that customer; empty for those who may not look customers up."""
    is_others: bool = False
    """Whether somebody else does it than whoever looks."""

    def told_to(self, user: PermissionsMixin) -> Need:
        """Return it with what ``user`` can do about it."""
        can_do_it = not self.act or user.has_perm(self.act)
        return self if can_do_it else replace(self, todo=self.otherwise, is_others=True)

    @property
    def things(self) -> int:
        """How many things it is to do."""
        return min(1, self.count) if self.is_one else self.count

    @property
    def is_bad(self) -> bool:
        """Whether it is shown as what must not stay so."""
        return self.is_broken or self.is_urgent

    @property
    def due(self) -> str:
        """Until when it has to be done, in words; empty where nobody says."""
        return at(self.due_at)

    @property
    def may_be_more(self) -> bool:
        """Whether counting ended at its bound."""
        return self.count == MOST_COUNTED

    @property
    def ago(self) -> str:
        """How long the first of them waits, in words; empty where nobody knows."""
        return duration(max(0.0, (timezone.now() - self.oldest_at).total_seconds())) if self.oldest_at else ""


@dataclass(frozen=True, slots=True)
class Kind:
    """What waits in the same list for the same reason."""

    one: str
    many: str
    permission: str
    page: str
    rows: Callable[[datetime], QuerySet[Any]]
    since: str
    """The field that says since when a row waits."""
    todo: str
    query: str = ""
    act: str = ""
    otherwise: str = ""
    """As of ``Need``."""
    is_broken: bool = False
    is_of_money: bool = False
    says_since: bool = True
    """Whether ``since`` says when it began to wait, and is no more than the order in which it came."""
    due: str = ""
    """The field that says when a row is lost."""
    is_urgent: bool = False
    is_one: bool = False
    """As of ``Need``."""
    whose: str = ""
    """The field with the id of the workspace that a row is about; empty where staff need not know first."""
    begun_by: str = ""
    """The field with the id of whoever may not do it themselves: for them it does not wait."""
    stands_on: tuple[str, str] | None = None
    """The page of one row on which all that wait stand, and the field with that row's key."""

    def own(self, lately: datetime) -> dict[str, int]:
        """Id of a member of staff → how many of those that wait they may not do themselves."""
        if not self.begun_by:
            return {}
        return Counter(map(str, self.rows(lately).values_list(self.begun_by, flat=True)[:MOST_COUNTED]))
