"""The judge of the preview model: says what a clip shows, by measuring it.

No learned part, and nothing of the drawing code. Every frame is reduced to how much of each pixel is not background;
objects are its connected regions, followed from frame to frame; a shape is told by its outline's distance from its
centre as a function of the angle, whose harmonics differ (a circle has none, a triangle has the third, a square the
fourth, a star the fifth); a motion by how centre, area and that function's phase change over the frames.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from preview_model.scene import BACKGROUNDS, COLOURS, Rgb, Scene, Thing

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]

_ANGLES = np.linspace(0, 2 * np.pi, 120, endpoint=False)
_HARMONICS = {"triangle": 3, "square": 4, "star": 5}
_LEAST_CONTRAST = 40.0
"""Distance in RGB below which a frame is taken to be empty."""
_FAINTEST = 0.25
"""Share of the strongest contrast in a frame below which a pixel is no part of an object."""
_LEAST_AREA_PIXELS = 8
_FARTHEST_COLOUR = 75.0
"""Distance in RGB from the named colour beyond which a colour has no name: muddy is not red."""
_LARGEST_UNEVENNESS = 25.0
"""Mean distance in RGB of the border from its median beyond which there is no plain background."""


class SeenThing(NamedTuple):
    """One object, by what it looks like; ``None``: like nothing that has a name."""

    shape: str | None
    colour: str | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a clip shows. ``None``: nothing of that kind that has a name."""

    background: str | None
    count: int
    things: tuple[SeenThing, ...]
    """The objects, from the left or from the top; where there are more than two, what most of them look like."""
    motion: str | None

    @property
    def shape(self) -> str | None:
        return self.things[0].shape if self.things else None

    @property
    def colour(self) -> str | None:
        return self.things[0].colour if self.things else None

    def agrees(self, scene: Scene) -> dict[str, bool]:
        """Attribute → whether the clip shows what ``scene`` asks for.

        Which of two objects is on which side does not matter, but which colour each of them has does.
        """
        asked: tuple[Thing | SeenThing, ...] = scene.things
        has_shapes = {thing.shape for thing in self.things} == {thing.shape for thing in asked}
        has_colours = {thing.colour for thing in self.things} == {thing.colour for thing in asked}
        is_swapped = has_shapes and set(map(tuple, self.things)) != set(map(tuple, asked))
        return {
            "background": self.background == scene.background,
            "colour": has_colours and not is_swapped,
            "motion": self.motion == scene.motion,
            "shape": has_shapes,
            "count": self.count == scene.count,
        }


@dataclass(frozen=True, slots=True)
class _Region:
    """One object in one frame. ``outline``: distance of its edge from its centre, in pixels, by angle."""

    x: float
    y: float
    area: float
    outline: Floats
    colour: Floats

    def harmonic(self, order: int) -> complex:
        """The outline's harmonic of this order, relative to its mean radius."""
        spectrum = np.fft.rfft(self.outline)
        return complex(spectrum[order] / max(abs(spectrum[0]), 1e-6))


def look(frames: Frames, *, is_endless: bool = False) -> Sighting:
    """What ``frames`` (uint8, shape (frames, height, width, 3)) show.

    ``is_endless``: what leaves the frame on one side comes in on the other.

    Raises:
        ValueError: the array is not of that kind.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"Frames must be uint8 of shape (frames, height, width, 3), not {frames.dtype} {frames.shape}")
    clip = frames.astype(np.float64)
    border = _border(clip)
    ground = np.median(border, axis=0)
    regions = [_regions_round_the_edge(frame, ground) if is_endless else _regions(frame, ground) for frame in clip]
    unevenness = np.linalg.norm(border - ground, axis=1)
    # Things that cross the edge may cover part of it.
    is_plain = (np.percentile(unevenness, 70) if is_endless else unevenness.mean()) < _LARGEST_UNEVENNESS
    background = _name(ground, BACKGROUNDS) if is_plain else None
    seen = [found for found in regions if found]
    if len(seen) < len(regions) / 2:
        return Sighting(background=background, count=0, things=(), motion=None)
    count = Counter(len(found) for found in seen).most_common(1)[0][0]
    tracks = _follow([found for found in seen if len(found) == 2], frames.shape[1]) if count == 2 else ()
    things = tuple(map(_thing, tracks)) or (_thing([region for found in seen for region in found]),)
    period = frames.shape[1] if is_endless else None
    return Sighting(
        background=background,
        count=count,
        things=things,
        motion=_motion(seen, tracks or ([found[0] for found in seen],), things, frames.shape[1], period),
    )


def centres(frame: Frames) -> list[tuple[float, float]]:
    """Where the objects of one frame (uint8, height × width × 3) are, (x, y) in pixels; the frame's edges meet."""
    picture = frame.astype(np.float64)
    ground = np.median(_border(picture[None]), axis=0)
    return [(region.x, region.y) for region in _regions_round_the_edge(picture, ground)]


def _follow(pairs: list[list[_Region]], frame_size: int) -> tuple[list[_Region], list[_Region]]:
    """The two objects of every frame, each frame's in the order of the frame before."""

    def distance(one: _Region, other: _Region) -> float:
        along, down = abs(one.x - other.x), abs(one.y - other.y)
        return float(np.hypot(min(along, frame_size - along), min(down, frame_size - down)))

    first, second = pairs[0]
    is_beside = abs(first.x - second.x) > abs(first.y - second.y)
    ordered = [sorted(pairs[0], key=lambda region: region.x if is_beside else region.y)]
    for one, other in pairs[1:]:
        before = ordered[-1]
        straight = distance(before[0], one) + distance(before[1], other)
        crossed = distance(before[0], other) + distance(before[1], one)
        ordered.append([one, other] if straight <= crossed else [other, one])
    return [pair[0] for pair in ordered], [pair[1] for pair in ordered]


def _thing(regions: list[_Region]) -> SeenThing:
    """What most of ``regions`` look like, of those that are not much smaller than the largest."""
    large = [region for region in regions if region.area >= 0.5 * max(r.area for r in regions)]
    return SeenThing(
        shape=Counter(map(_shape_of, large)).most_common(1)[0][0],
        colour=Counter(_name(region.colour, COLOURS) for region in large).most_common(1)[0][0],
    )


def _border(clip: Floats) -> Floats:
    edges = (clip[:, 0], clip[:, -1], clip[:, :, 0], clip[:, :, -1])
    return np.concatenate([edge.reshape(-1, 3) for edge in edges])


def _name(colour: Floats, palette: Mapping[str, Rgb]) -> str | None:
    """The nearest colour of ``palette``, if it is near."""
    distances = {name: float(np.linalg.norm(np.array(value) - colour)) for name, value in palette.items()}
    nearest = min(distances, key=distances.__getitem__)
    return nearest if distances[nearest] < _FARTHEST_COLOUR else None


def _regions(frame: Floats, ground: Floats, *, margin: int = 0) -> list[_Region]:
    """The objects of a frame, but for those in its ``margin``."""
    distance = np.sqrt(np.square(frame - ground).sum(-1))
    peak = float(np.percentile(distance, 99.5))
    if peak < _LEAST_CONTRAST:
        return []
    labels, number = ndimage.label(distance > max(_FAINTEST * peak, _LEAST_CONTRAST / 2))
    found = []
    for index in range(1, number + 1):
        around = labels == index
        if around.sum() < _LEAST_AREA_PIXELS or _is_in_margin(around, margin):
            continue
        # Each object by its own contrast: white outshines blue on dark blue.
        cover = np.clip(distance / np.percentile(distance[around], 90), 0, 1)
        inside = around & (cover > 0.5)
        if inside.sum() >= _LEAST_AREA_PIXELS:
            found.append(_measure(frame, cover, inside))
    largest = max((region.area for region in found), default=0.0)
    return [region for region in found if region.area >= 0.2 * largest]


def _is_in_margin(inside: NDArray[np.bool_], margin: int) -> bool:
    middle = ndimage.center_of_mass(inside)
    return any(not margin - 2 <= place < size - margin + 2 for place, size in zip(middle, inside.shape, strict=True))


def _regions_round_the_edge(frame: Floats, ground: Floats) -> list[_Region]:
    """The objects of a frame whose edges meet: found whole, in the middle of a frame that is continued on all sides."""
    size = frame.shape[0]
    around = np.pad(frame, ((size // 2, size // 2), (size // 2, size // 2), (0, 0)), mode="wrap")
    found = _regions(around, ground, margin=size // 2)
    return [
        dataclasses.replace(region, x=region.x - size / 2, y=region.y - size / 2)
        for region in found
        if size / 2 <= region.x < 1.5 * size and size / 2 <= region.y < 1.5 * size
    ]


def _measure(frame: Floats, cover: Floats, inside: NDArray[np.bool_]) -> _Region:
    own = np.where(ndimage.binary_dilation(inside), cover, 0.0)
    y, x = (float(value) for value in ndimage.center_of_mass(own))
    # The radius at an angle is the cover summed outwards: exact to a fraction of a pixel where edges are soft.
    step = 0.25
    down, along = np.nonzero(own)
    farthest = np.hypot(down - y, along - x).max() + 1.5  # beyond it, also between pixels, there is no cover
    reach = np.arange(0, min(farthest, 0.75 * max(own.shape)), step)
    rows = y + np.sin(_ANGLES)[:, None] * reach
    columns = x + np.cos(_ANGLES)[:, None] * reach
    outline = ndimage.map_coordinates(own, [rows, columns], order=1).sum(1) * step
    solid = inside & (cover >= np.percentile(cover[inside], 40))
    return _Region(x=x, y=y, area=float(own.sum()), outline=outline, colour=np.median(frame[solid], axis=0))


def _shape_of(region: _Region) -> str | None:
    strengths = {shape: abs(region.harmonic(order)) for shape, order in _HARMONICS.items()}
    strengths["triangle"] *= 0.7
    shape = max(strengths, key=strengths.__getitem__)
    if strengths[shape] > 0.035:
        return shape
    return "circle" if abs(region.harmonic(2)) < 0.06 else None


def _motion(
    seen: list[list[_Region]],
    tracks: Sequence[list[_Region]],
    things: Sequence[SeenThing],
    frame_size: int,
    period: int | None,
) -> str:
    if period:
        x, y = (
            np.mean([np.unwrap([getattr(r, name) for r in track], period=period) for track in tracks], axis=0)
            for name in ("x", "y")
        )
        area = np.mean([[r.area for r in track] for track in tracks], axis=0)
    else:
        x, y, area = (
            np.array([np.average([getattr(r, name) for r in found], weights=[r.area for r in found]) for found in seen])
            for name in ("x", "y", "area")
        )
    growth = area[-3:].mean() / area[:3].mean()
    if growth > 1.8:
        return "growing"
    if growth < 1 / 1.8:
        return "shrinking"
    is_upright = np.ptp(y) > frame_size / 6 and np.ptp(x) < frame_size / 8
    if is_upright and np.abs(np.diff(y)).sum() > 1.6 * np.ptp(y):
        return "bouncing"
    travel_x, travel_y = x[-3:].mean() - x[:3].mean(), y[-3:].mean() - y[:3].mean()
    far = frame_size / 6
    if max(abs(travel_x), abs(travel_y)) > far and min(abs(travel_x), abs(travel_y)) < far / 2:
        if abs(travel_x) > abs(travel_y):
            return "right" if travel_x > 0 else "left"
        return "down" if travel_y > 0 else "up"
    if np.ptp(y) > frame_size / 8 or np.ptp(x) > frame_size / 8:
        return "wandering"
    turns = [
        thing.shape in _HARMONICS and _turn(track, _HARMONICS[thing.shape]) > np.pi / 4
        for track, thing in zip(tracks, things, strict=True)
    ]
    return "spinning" if all(turns) else "still"


def _turn(track: list[_Region], order: int) -> float:
    """How far an object turns over the clip, in radians."""
    phases = np.unwrap(np.angle([region.harmonic(order) for region in track]))
    return float(abs(phases[-1] - phases[0]) / order)
