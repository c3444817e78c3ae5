"""The model families. Adding one is one file here and its name below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gpu_worker.families import (
    cogvideox,
    framepack,
    helios,
    helios_pyramid,
    hunyuan,
    hunyuan15,
    ltx,
    ltx2,
    ltx2_sound,
    preview,
    skyreels,
    wan,
    wan_ti2v,
    wan_vace,
)
from gpu_worker.families.family import ROLES, Family, FrameList, FrameRule, Kind, Mode, Role

__all__ = ["FAMILIES", "ROLES", "Family", "FrameList", "FrameRule", "Kind", "Mode", "Role", "family"]

_MODULES = (
    ltx,
    ltx2,
    ltx2_sound,
    wan,
    wan_ti2v,
    wan_vace,
    hunyuan,
    hunyuan15,
    framepack,
    cogvideox,
    helios,
    helios_pyramid,
    skyreels,
    preview,
)

FAMILIES: Mapping[str, Family] = MappingProxyType({module.FAMILY.name: module.FAMILY for module in _MODULES})


def family(name: str) -> Family:
    """The family called ``name``.

    Raises:
        KeyError: there is none; the message lists those there are.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        raise KeyError(f"No model family {name!r}; there are: {', '.join(sorted(FAMILIES))}") from None
