"""Draws a scene as a clip: the data that the preview model learns from, and the truth that its judge is tested on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from preview_model.chance import Chance
from preview_model.motion import Pose, poses, poses_from
from preview_model.recipe import HEIGHT, WIDTH
from preview_model.scene import BACKGROUNDS, COLOURS, Scene

Floats = NDArray[np.float32]

_TRIANGLE = ((0.0, -1.08), (1.0, 0.74), (-1.0, 0.74))
_STAR = tuple(
    (radius * math.sin(k * math.pi / 5), -radius * math.cos(k * math.pi / 5))
    for k in range(10)
    for radius in ((1.2,) if k % 2 == 0 else (0.5,))
)
_Y, _X = (axis.astype(np.float32) + 0.5 for axis in np.mgrid[0:HEIGHT, 0:WIDTH])


def draw_masks(scene: Scene, places: Floats) -> Floats:
    """How much of each pixel each object covers, in [0, 1], shape (objects, frames, height, width).

    ``places``: the objects' poses, (objects, frames, [x, y, radius, angle]); any frames of the clip will do.
    """
    return np.stack(
        [np.clip(0.5 - _distance(thing.shape, path), 0, 1) for thing, path in zip(scene.things, places, strict=True)]
    )


def paint(masks: Floats, scene: Scene) -> Floats:
    """The clip in colour: values in [-1, 1], shape (frames, 3, height, width), from masks of the same scene."""
    clip = np.broadcast_to(_colour(BACKGROUNDS[scene.background]), (masks.shape[1], 3, HEIGHT, WIDTH))
    for thing, mask in zip(scene.things, masks, strict=True):
        clip = clip + mask[:, None] * (_colour(COLOURS[thing.colour]) - clip)
    return np.asarray(clip, np.float32)


def draw_frames(scene: Scene, chance: Chance | None = None) -> NDArray[np.uint8]:
    """The clip as a person sees it: uint8, shape (frames, height, width, 3)."""
    return _to_frames(paint(draw_masks(scene, poses(scene, chance or Chance())), scene))


def draw_frames_from(scene: Scene, starts: tuple[Pose, ...]) -> NDArray[np.uint8]:
    """The clip that goes on from a picture with its objects at ``starts``; its first frame is that picture."""
    return _to_frames(paint(draw_masks(scene, poses_from(scene, starts)), scene))


def _to_frames(clip: Floats) -> NDArray[np.uint8]:
    return np.asarray(np.round((clip.transpose(0, 2, 3, 1) + 1) * 127.5), np.uint8)


def _colour(rgb: tuple[int, int, int]) -> Floats:
    return (np.array(rgb, np.float32) / 127.5 - 1)[:, None, None]


def offsets(places: Floats) -> tuple[Floats, Floats]:
    """How far each pixel's centre lies right of and below each pose's centre, the short way round the torus.

    ``places``: (frames, [x, y, radius, angle]). Both results have the shape (frames, height, width).
    """
    right = (_X - places[:, 0, None, None] + WIDTH / 2) % WIDTH - WIDTH / 2
    down = (_Y - places[:, 1, None, None] + HEIGHT / 2) % HEIGHT - HEIGHT / 2
    return right, down


def _distance(shape: str, places: Floats) -> Floats:
    """Signed distance in pixels from each pixel's centre to the outline, negative inside."""
    right, down = offsets(places)
    radius, angle = places[:, 2, None, None], places[:, 3, None, None]
    if shape == "circle":
        return np.asarray(np.hypot(right, down) - radius, np.float32)
    cos, sin = np.cos(angle), np.sin(angle)
    u = np.asarray((cos * right + sin * down) / radius, np.float32)
    v = np.asarray((cos * down - sin * right) / radius, np.float32)
    if shape == "square":
        return np.asarray((np.maximum(np.abs(u), np.abs(v)) - 0.9) * radius, np.float32)
    return _polygon_distance(u, v, _TRIANGLE if shape == "triangle" else _STAR) * radius


def _polygon_distance(u: Floats, v: Floats, corners: tuple[tuple[float, float], ...]) -> Floats:
    nearest = np.full_like(u, np.inf)
    is_inside = np.zeros(u.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, corners[-1:] + corners[:-1], strict=True):
        ex, ey, wx, wy = bx - ax, by - ay, u - ax, v - ay
        along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
        crosses = (ay <= v) != (by <= v)
        is_inside ^= crosses & ((ex * wy > ey * wx) == (by > ay))
    return np.asarray(np.where(is_inside, -1, 1) * np.sqrt(nearest), np.float32)
