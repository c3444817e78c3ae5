"""Which clips of a library are shown: those whose prompt has the words, of one model, or as far as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.http import Http404, QueryDict
from django.utils.translation import gettext_lazy

from generation.models import OPEN_STATES, State

STATES: Final = {
    "ready": (gettext_lazy("Ready"), (State.SUCCEEDED,)),
    "open": (gettext_lazy("In progress"), OPEN_STATES),
    "failed": (gettext_lazy("Failed"), (State.FAILED, State.BLOCKED, State.CANCELLED)),
}
"""By its name in the address: the words on the chip, and the states that it means."""
PAGE: Final = 24
"""Clips that a page of the library shows."""
MOST_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Search:
    """What the toolbar says. All empty, it is the whole library."""

    words: str = ""
    model: str = ""
    state: str = ""
    favourites: bool = False
    board: str = ""
    is_oldest_first: bool = False
    is_large: bool = False

    @classmethod
    def from_query(cls, query: QueryDict) -> Self:
        state = query.get("state", "")
        words = query.get("q", "").replace("\x00", "").strip()[:MOST_CHARACTERS]
        return cls(
            words,
            query.get("model", "").replace("\x00", "")[:60],
            state if state in STATES else "",
            bool(query.get("favourites")),
            _uuid_in(query.get("board", "")),
            query.get("order") == "oldest",
            query.get("view") == "large",
        )

    def __bool__(self) -> bool:
        return bool(self.is_narrowed or self.place)

    @property
    def is_narrowed(self) -> bool:
        """Whether some of what lies in the place that is searched may be left out."""
        return bool(self.words or self.model or self.state)

    @property
    def place(self) -> str:
        """Where is searched, as the address has it: nothing for the whole library."""
        return urlencode({"board": self.board}) if self.board else "favourites=1" if self.favourites else ""

    @property
    def query(self) -> str:
        """As the address has it."""
        order, view = "oldest" if self.is_oldest_first else "", "large" if self.is_large else ""
        said = {"q": self.words, "model": self.model, "state": self.state, "order": order, "view": view}
        return "&".join(
            part for part in (self.place, urlencode({name: value for name, value in said.items() if value})) if part
        )

    @property
    def condition(self) -> Q:
        """Which clips are meant, whatever their words."""
        found = Q()
        if self.board:
            found &= Q(board_places__board=self.board)
        elif self.favourites:
            found &= Q(is_favourite=True)
        if self.model:
            found &= Q(version__model__slug=self.model)
        if self.state:
            found &= Q(state__in=STATES[self.state][1])
        return found


def _uuid_in(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def id_in(text: str) -> UUID | None:
    """The id of the clip after which a page begins; None of the first.

    Raises:
        Http404: it is none.
    """
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Http404 from None
