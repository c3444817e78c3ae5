"""Licences of models: what they say in plain words, and what the catalogue's own rows know of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Final

from django.utils.translation import gettext_lazy

from catalog.models import Model

_LEAST_MODELS: Final = 2
"""Of a family, from which on their common licence is taken for that of a new one."""

_FREE: Final = gettext_lazy("Anybody may use this model and what it makes for any purpose, also commercially.")
_PLAIN: Final = {"Apache-2.0": _FREE, "MIT": _FREE, "BSD-3-Clause": _FREE}
_OTHER: Final = gettext_lazy("This licence has terms of its own. Read it before you use clips commercially.")


def in_plain_words(licence: str) -> str:
    """What the licence means for whoever uses a clip."""
    return str(_PLAIN.get(licence, _OTHER))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence is called and asks for, as rows of the catalogue have it. Fields are those of a version."""

    licence: str
    licence_url: str
    licence_notice: str
    attribution: str
    blocked_territories: tuple[str, ...]
    revenue_cap_dollars: int | None

    def as_initial(self) -> dict[str, object]:
        """The same as a form for a version begins with it."""
        return {**asdict(self), "blocked_territories": [*self.blocked_territories]}


def known_licences() -> list[str]:
    """Return the names of the licences that models of the catalogue have, in alphabetical order."""
    return sorted({terms.licence for _, terms in _every()}, key=str.lower)


def terms_of(licence: str) -> Terms | None:
    """Return what most models of this licence say of it; None where no model has it."""
    return _most_common(terms for _, terms in _every() if terms.licence == licence)


def of_family(family: str) -> Terms | None:
    """Return the licence that every model of the family has; None where they differ, or where a single one is no
    rule."""
    found = [terms for each, terms in _every() if each == family]
    is_sure = len(found) >= _LEAST_MODELS and len({terms.licence for terms in found}) == 1
    return _most_common(found) if is_sure else None


def _most_common(found: Iterable[Terms]) -> Terms | None:
    counted = Counter(found).most_common(1)
    return counted[0][0] if counted else None


def _every() -> list[tuple[str, Terms]]:
    """Family and terms of each model's version, in one query."""
    names = [field.name for field in fields(Terms)]
    current = Model.objects.filter(current__isnull=False).order_by("position", "slug")
    rows = current.values_list("current__family", *(f"current__{name}" for name in names))
    said = [(family, dict(zip(names, values, strict=True))) for family, *values in rows]
    return [
        (family, Terms(**{**each, "blocked_territories": tuple(each["blocked_territories"])})) for family, each in said
    ]
