"""The model families. Adding one is one file here and its line below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gpu_worker.families import cogvideox, ltx
from gpu_worker.families.family import Family, FrameRule, Mode

__all__ = ["FAMILIES", "Family", "FrameRule", "Mode", "family"]

FAMILIES: Mapping[str, Family] = MappingProxyType({f.name: f for f in (ltx.FAMILY, cogvideox.FAMILY)})


def family(name: str) -> Family:
    """The family called ``name``.

    Raises:
        KeyError: there is none; the message lists those there are.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        raise KeyError(f"No model family {name!r}; there are: {', '.join(sorted(FAMILIES))}") from None
