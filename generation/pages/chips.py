"""A model's options as chips: ways to begin, shapes, lengths and qualities, of which one each is chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from catalog.models import ModelVersion
from catalog.sizes import Size, in_words
from catalog.titles import title_of
from generation.submission.uploads import MAX_BYTES
from gpu_worker.families import ROLES, Kind, Role

WAY_TITLES: Final = {
    "text": gettext_lazy("Text"),
    "image": gettext_lazy("Image"),
    "frames": gettext_lazy("Start & end"),
    "extend": gettext_lazy("Extend"),
    "reference": gettext_lazy("Reference"),
    "control": gettext_lazy("Motion"),
    "restyle": gettext_lazy("Restyle"),
    "inpaint": gettext_lazy("Edit"),
    "sound": gettext_lazy("Sound"),
}
"""By the mode's name. One that is not here goes by its own title."""
RATIOS: Final = ((1, 1), (5, 4), (4, 3), (3, 2), (16, 10), (16, 9), (21, 9))
ICON_UNITS: Final = 16
MOST_LENGTHS: Final = 6


@dataclass(frozen=True, slots=True)
class Chip:
    """One value of an option."""

    value: str
    label: str
    is_chosen: bool
    note: str = ""
    width: int = 0
    height: int = 0
    """Of the rectangle that draws a shape."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file that a way of making a clip takes."""

    name: str
    role: Role
    most_bytes: int
    is_needed: bool


@dataclass(frozen=True, slots=True)
class Way:
    """A mode of the model, and what one gives it."""

    name: str
    title: str
    files: list[GivenFile]
    is_chosen: bool


def ways(version: ModelVersion, *, chosen: str) -> list[Way]:
    """The model's modes in its own order; the first is chosen where ``chosen`` names none of them."""
    now = chosen if chosen in version.modes else version.modes[0]
    return [Way(name, _title_of(version, name), _files(version, name), name == now) for name in version.modes]


def _title_of(version: ModelVersion, mode: str) -> str:
    return str(WAY_TITLES.get(mode) or title_of(version.family_facts.modes[mode].title))


def sizes(version: ModelVersion, *, chosen: str) -> list[Chip]:
    """The sizes of the MP4, each with the nearest ratio that has a name."""
    offered = version.delivered_sizes
    now = chosen if chosen in offered else offered[0]
    return [_shape(Size.parse(size), is_chosen=size == now) for size in offered]


def lengths(version: ModelVersion, *, chosen: Any) -> list[Chip]:
    """A few lengths between the shortest and the longest, the default and ``chosen`` among them."""
    low, high, usual = version.min_seconds, version.max_seconds, version.default_seconds
    if low == high:
        return []
    whole = [float(second) for second in range(ceil(low), floor(high) + 1)]
    step = max(1, ceil(len(whole) / MOST_LENGTHS))
    now = _seconds(chosen)
    now = now if now is not None and low <= now <= high else usual
    found = sorted({*whole[::-step], usual, now})
    return [Chip(f"{second:g}", f"{number_format(f'{second:g}')} s", second == now) for second in found]


def presets(version: ModelVersion, *, chosen: str) -> list[Chip]:
    """The qualities, the default first."""
    names = version.preset_names
    now = chosen if chosen in names else names[0]
    steps = {name: int(version.presets[name]["steps"]) for name in names}
    return [Chip(name, gettext(name.capitalize()), name == now, note=_in_steps(steps[name])) for name in names]


def _in_steps(steps: int) -> str:
    return ngettext("%(count)s step", "%(count)s steps", steps) % {"count": steps}


def _shape(size: Size, *, is_chosen: bool) -> Chip:
    longer, shorter = max(size.width, size.height), min(size.width, size.height)
    ratio = min(RATIOS, key=lambda one: abs(longer / shorter - one[0] / one[1]))
    pair = ratio if size.width >= size.height else ratio[::-1]
    scale = ICON_UNITS / longer
    return Chip(
        value=str(size),
        label=f"{pair[0]}:{pair[1]}",
        is_chosen=is_chosen,
        note=in_words(size),
        width=round(size.width * scale),
        height=round(size.height * scale),
    )


def _files(version: ModelVersion, mode: str) -> list[GivenFile]:
    facts = version.family_facts.modes[mode]
    return [
        GivenFile(name, replace(role, title=title_of(role.title)), _most_bytes(name, role), name in facts.needs)
        for name, role in ROLES.items()
        if name in (*facts.needs, *facts.accepts)
    ]


def _most_bytes(name: str, role: Role) -> int:
    kind = Kind.CLIP if name == "mask" else role.kind  # a mask may move
    return MAX_BYTES[kind]


def _seconds(said: Any) -> float | None:
    try:
        return float(said)
    except (TypeError, ValueError):
        return None
