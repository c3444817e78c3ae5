"""Countries as licences name them: ISO 3166-1 codes, and ``EU`` for the union's members."""

from __future__ import annotations

from collections.abc import Iterable

import iso3166
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# fmt: off
EU = frozenset((
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE",
    "IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
))
# fmt: on
_NAMES = {
    "EU": gettext_lazy("the European Union"),
    "GB": gettext_lazy("the United Kingdom"),
    "KR": gettext_lazy("South Korea"),
    "US": gettext_lazy("the United States"),
}


def is_known(code: str) -> bool:
    """Whether ``code`` is ``EU`` or a country's two letters, in capitals."""
    return code == "EU" or code in iso3166.countries_by_alpha2


def is_among(territory: str, codes: Iterable[str]) -> bool:
    """Whether the country ``territory`` is one of ``codes``, members of the union counted under ``EU``."""
    codes = set(codes)
    return territory in codes or ("EU" in codes and territory in EU)


def join_names(codes: Iterable[str]) -> str:
    """``the European Union, South Korea and the United Kingdom``."""
    names = sorted((_name(code) for code in codes), key=lambda name: name.removeprefix("the "))
    if len(names) < 2:
        return "".join(names)
    return _("%(several)s and %(last)s") % {"several": ", ".join(names[:-1]), "last": names[-1]}


def _name(code: str) -> str:
    country = iso3166.countries_by_alpha2.get(code)
    return str(_NAMES.get(code) or (country.apolitical_name if country else code))
