"""The judge of the preview model: says what a clip shows, by measuring it.

No learned part, and nothing of the drawing code. Every frame is reduced to how much of each pixel is not background;
objects are its connected regions; a shape is told by its outline's distance from its centre as a function of the
angle, whose harmonics differ (a circle has none, a triangle has the third, a square the fourth, a star the fifth); a
motion by how centre, area and that function's phase change over the frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gpu_worker.preview.scene import BACKGROUNDS, COLOURS, Rgb, Scene

Frames = NDArray[np.uint8]
Floats = NDArray[np.float64]

_ANGLES = np.linspace(0, 2 * np.pi, 120, endpoint=False)
_HARMONICS = {"triangle": 3, "square": 4, "star": 5}
_LEAST_CONTRAST = 40.0
"""Distance in RGB below which a frame is taken to be empty."""
_LEAST_AREA_PIXELS = 8
_FARTHEST_COLOUR = 75.0
"""Distance in RGB from the named colour beyond which a colour has no name: muddy is not red."""
_LARGEST_UNEVENNESS = 25.0
"""Mean distance in RGB of the border from its median beyond which there is no plain background."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a clip shows. ``None``: nothing of that kind that has a name."""

    background: str | None
    count: int
    colour: str | None
    shape: str | None
    motion: str | None

    def agrees(self, scene: Scene) -> dict[str, bool]:
        """Attribute → whether the clip shows what ``scene`` asks for."""
        return {
            "background": self.background == scene.background,
            "colour": self.colour == scene.colour,
            "motion": self.motion == scene.motion,
            "shape": self.shape == scene.shape,
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


def look(frames: Frames) -> Sighting:
    """What ``frames`` (uint8, shape (frames, height, width, 3)) show.

    Raises:
        ValueError: the array is not of that kind.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"Frames must be uint8 of shape (frames, height, width, 3), not {frames.dtype} {frames.shape}")
    clip = frames.astype(np.float64)
    border = _border(clip)
    ground = np.median(border, axis=0)
    regions = [_regions(frame, ground) for frame in clip]
    is_plain = np.linalg.norm(border - ground, axis=1).mean() < _LARGEST_UNEVENNESS
    background = _name(ground, BACKGROUNDS) if is_plain else None
    seen = [found for found in regions if found]
    if len(seen) < len(regions) / 2:
        return Sighting(background=background, count=0, colour=None, shape=None, motion=None)
    count = Counter(len(found) for found in seen).most_common(1)[0][0]
    every = [region for found in seen for region in found]
    large = [region for region in every if region.area >= 0.5 * max(r.area for r in every)]
    return Sighting(
        background=background,
        count=count,
        colour=Counter(_name(region.colour, COLOURS) for region in large).most_common(1)[0][0],
        shape=(shape := _shape(large)),
        motion=_motion(seen, shape, frames.shape[1]),
    )


def _border(clip: Floats) -> Floats:
    edges = (clip[:, 0], clip[:, -1], clip[:, :, 0], clip[:, :, -1])
    return np.concatenate([edge.reshape(-1, 3) for edge in edges])


def _name(colour: Floats, palette: Mapping[str, Rgb]) -> str | None:
    """The nearest colour of ``palette``, if it is near."""
    distances = {name: float(np.linalg.norm(np.array(value) - colour)) for name, value in palette.items()}
    nearest = min(distances, key=distances.__getitem__)
    return nearest if distances[nearest] < _FARTHEST_COLOUR else None


def _regions(frame: Floats, ground: Floats) -> list[_Region]:
    distance = np.sqrt(np.square(frame - ground).sum(-1))
    peak = float(np.percentile(distance, 99.5))
    if peak < _LEAST_CONTRAST:
        return []
    cover = np.clip(distance / peak, 0, 1)
    labels, _ = ndimage.label(cover > 0.5)
    found = []
    for index, place in enumerate(ndimage.find_objects(labels), 1):
        inside = labels == index
        if inside.sum() >= _LEAST_AREA_PIXELS and place is not None:
            found.append(_measure(frame, cover, inside))
    largest = max((region.area for region in found), default=0.0)
    return [region for region in found if region.area >= 0.2 * largest]


def _measure(frame: Floats, cover: Floats, inside: NDArray[np.bool_]) -> _Region:
    own = np.where(ndimage.binary_dilation(inside), cover, 0.0)
    y, x = (float(value) for value in ndimage.center_of_mass(own))
    # The radius at an angle is the cover summed outwards: exact to a fraction of a pixel where edges are soft.
    step = 0.25
    reach = np.arange(0, 0.75 * max(own.shape), step)
    rows = y + np.sin(_ANGLES)[:, None] * reach
    columns = x + np.cos(_ANGLES)[:, None] * reach
    outline = ndimage.map_coordinates(own, [rows, columns], order=1).sum(1) * step
    solid = inside & (cover >= np.percentile(cover[inside], 40))
    return _Region(x=x, y=y, area=float(own.sum()), outline=outline, colour=np.median(frame[solid], axis=0))


def _shape(regions: list[_Region]) -> str | None:
    """The shape that most of ``regions`` have."""
    return Counter(_shape_of(region) for region in regions).most_common(1)[0][0]


def _shape_of(region: _Region) -> str | None:
    strengths = {shape: abs(region.harmonic(order)) for shape, order in _HARMONICS.items()}
    strengths["triangle"] *= 0.7
    shape = max(strengths, key=strengths.__getitem__)
    if strengths[shape] > 0.035:
        return shape
    return "circle" if abs(region.harmonic(2)) < 0.06 else None


def _motion(seen: list[list[_Region]], shape: str | None, frame_size: int) -> str:
    x, y, area = (
        np.array([np.average([getattr(r, name) for r in found], weights=[r.area for r in found]) for found in seen])
        for name in ("x", "y", "area")
    )
    growth = area[-3:].mean() / area[:3].mean()
    if growth > 1.8:
        return "growing"
    if growth < 1 / 1.8:
        return "shrinking"
    travel_x, travel_y = x[-3:].mean() - x[:3].mean(), y[-3:].mean() - y[:3].mean()
    far = frame_size / 6
    if max(abs(travel_x), abs(travel_y)) > far and min(abs(travel_x), abs(travel_y)) < far / 2:
        if abs(travel_x) > abs(travel_y):
            return "right" if travel_x > 0 else "left"
        return "down" if travel_y > 0 else "up"
    if np.ptp(y) > frame_size / 6 and np.ptp(x) < frame_size / 8:
        return "bouncing"
    if np.ptp(y) > frame_size / 8 or np.ptp(x) > frame_size / 8:
        return "wandering"
    return "spinning" if shape in _HARMONICS and _turn(seen, _HARMONICS[shape]) > np.pi / 4 else "still"


def _turn(seen: list[list[_Region]], order: int) -> float:
    """How far the first object turns over the clip, in radians."""
    phases = np.unwrap(np.angle([found[0].harmonic(order) for found in seen]))
    return float(abs(phases[-1] - phases[0]) / order)
