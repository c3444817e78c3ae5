"""The model families: one file each. A module of this package that has a ``FAMILY`` is one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from gpu_worker.families.family import ROLES, Family, FrameList, FrameRule, Kind, Mode, Role
from gpu_worker.families.remote import REMOTE_FAMILIES

__all__ = [
    "EVERY_FAMILY",
    "FAMILIES",
    "REMOTE_FAMILIES",
    "ROLES",
    "Family",
    "FrameList",
    "FrameRule",
    "Kind",
    "Mode",
    "Role",
    "family",
    "find_families",
]


def find_families() -> dict[str, Family]:
    """The ``FAMILY`` of each module beside this one, by its name."""
    modules = (importlib.import_module(found.name) for found in pkgutil.iter_modules(__path__, f"{__name__}."))
    families = (getattr(module, "FAMILY", None) for module in modules)
    return {family.name: family for family in families if isinstance(family, Family)}


FAMILIES: Mapping[str, Family] = MappingProxyType(find_families())
"""Those that a GPU worker's engine renders."""
EVERY_FAMILY: Mapping[str, Family] = MappingProxyType({**FAMILIES, **REMOTE_FAMILIES})
"""Those that a row of the catalogue may name."""


def family(name: str) -> Family:
    """The family called ``name``.

    Raises:
        KeyError: there is none; the message lists those there are.
    """
    try:
        return EVERY_FAMILY[name]
    except KeyError:
        raise KeyError(f"No model family {name!r}; there are: {', '.join(sorted(EVERY_FAMILY))}") from None
