"""Whether two mail addresses are one: as PostgreSQL's unique indexes have it, by their lower case.

Django's ``iexact`` compares upper case, in which the dotless i of another's domain is an I like any other; and no index
serves it.
"""

from __future__ import annotations

from django.db.models import CharField, Q
from django.db.models.functions import Lower

CharField.register_lookup(Lower)


def is_address(address: str, *, field: str = "email") -> Q:
    """The condition that ``field`` holds this address."""
    return Q(**{f"{field}__lower": address.lower()})
