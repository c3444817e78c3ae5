"""Which clips of a library are shown: those whose prompt has the words, of one model, or as far as asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q
from django.http import QueryDict
from django.utils.translation import gettext_lazy

from accounts.caller import Caller
from generation.models import OPEN_STATES, Generation, State
from loremotion.row_security import across_workspaces

STATES: Final = {
    "ready": (gettext_lazy("Ready"), (State.SUCCEEDED,)),
    "open": (gettext_lazy("In progress"), OPEN_STATES),
    "failed": (gettext_lazy("Failed"), (State.FAILED, State.BLOCKED, State.CANCELLED)),
}
"""By its name in the address: the words on the chip, and the states that it means."""
MOST_CHARACTERS: Final = 100
MOST_FOUND: Final = 500


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

    def condition(self, caller: Caller) -> Q:
        """Which of the clips that ``caller`` sees are meant."""
        found = Q()
        if self.board:
            found &= Q(board_places__board=self.board)
        elif self.favourites:
            found &= Q(is_favourite=True)
        if self.model:
            found &= Q(version__model__slug=self.model)
        if self.state:
            found &= Q(state__in=STATES[self.state][1])
        return found & Q(id__in=_with_words(self.words, caller, found)) if self.words else found


def _uuid_in(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


@across_workspaces("PostgreSQL searches no index of words behind policies; the rows themselves are read behind them")
def _with_words(words: str, caller: Caller, among: Q) -> list[object]:
    """Ids of the newest of the caller's clips ``among`` those whose prompt has words that begin with each of
    ``words``."""
    stems = re.findall(r"\w+", words)
    if not stems:
        return []
    query = SearchQuery(" & ".join(f"{stem}:*" for stem in stems), config="simple", search_type="raw")
    found = (
        Generation.objects.seen_by(caller)
        .kept()
        .annotate(vector=SearchVector("prompt", config="simple"))
        .filter(among, vector=query)
    )
    return list(found.order_by("-created_at", "-id").values_list("id", flat=True)[:MOST_FOUND])
