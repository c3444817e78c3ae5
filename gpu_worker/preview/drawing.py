"""Draws a scene as a clip: the data that the preview model learns from, and the truth that its judge is tested on.

Where a thing starts, how large it is and how fast it moves follow from the scene alone, up to a small jitter: the clip
is nearly a function of the prompt, which is what so small a model can learn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gpu_worker.preview.recipe import HEIGHT, NUM_FRAMES, WIDTH
from gpu_worker.preview.scene import BACKGROUNDS, COLOURS, Scene

Floats = NDArray[np.float32]

CENTRE = WIDTH / 2
RADIUS = {1: 9.5, 2: 7.2}
LANES = {1: (0.0,), 2: (-11.5, 11.5)}
"""How far beside the middle of the frame each of the objects keeps."""
TRAVEL_PIXELS = 24.0
OFFSET_JITTER_PIXELS = 1.5
SIZE_JITTER = 0.06

_TRIANGLE = ((0.0, -1.08), (1.0, 0.74), (-1.0, 0.74))
_STAR = tuple(
    (radius * math.sin(k * math.pi / 5), -radius * math.cos(k * math.pi / 5))
    for k in range(10)
    for radius in ((1.2,) if k % 2 == 0 else (0.5,))
)
_Y, _X = (axis.astype(np.float32) + 0.5 for axis in np.mgrid[0:HEIGHT, 0:WIDTH])


def draw_mask(scene: Scene, rng: np.random.Generator, *, jitter: float = 1.0) -> Floats:
    """How much of each pixel the objects cover, in [0, 1], shape (frames, height, width).

    ``jitter`` scales the random part: 0 draws the scene's canonical clip.
    """
    wobble = rng.uniform(-1, 1, 4) * jitter
    radius = RADIUS[scene.count] * (1 + SIZE_JITTER * wobble[0])
    along, across = OFFSET_JITTER_PIXELS * wobble[1:3]
    time = np.linspace(0, 1, NUM_FRAMES, dtype=np.float32)
    frames = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.float32)
    for lane in LANES[scene.count]:
        x, y, size, angle = _path(scene.motion, time, lane + across, along)
        angle = angle + (0.12 * wobble[3] if scene.motion == "spinning" else 0.0)
        for frame in range(NUM_FRAMES):
            distance = _distance(scene.shape, x[frame], y[frame], radius * size[frame], angle[frame])
            np.maximum(frames[frame], np.clip(0.5 - distance, 0, 1), out=frames[frame])
    return frames


def paint(mask: Floats, scene: Scene) -> Floats:
    """The clip in colour: values in [-1, 1], shape (frames, 3, height, width), from a mask of the same scene."""
    colour = (np.array(COLOURS[scene.colour], np.float32) / 127.5 - 1)[:, None, None]
    ground = (np.array(BACKGROUNDS[scene.background], np.float32) / 127.5 - 1)[:, None, None]
    return np.asarray(ground + mask[:, None] * (colour - ground), np.float32)


def draw_frames(scene: Scene, rng: np.random.Generator, *, jitter: float = 1.0) -> NDArray[np.uint8]:
    """The clip as a person sees it: uint8, shape (frames, height, width, 3)."""
    clip = paint(draw_mask(scene, rng, jitter=jitter), scene)
    return np.asarray(np.round((clip.transpose(0, 2, 3, 1) + 1) * 127.5), np.uint8)


def _path(motion: str, time: Floats, lane: float, along: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Centre (x, y), relative size and angle at each moment, for the object that keeps ``lane`` beside the middle."""
    still = np.full_like(time, CENTRE)
    size, angle = np.ones_like(time), np.zeros_like(time)
    towards = CENTRE + along + (time - 0.5) * TRAVEL_PIXELS
    away = CENTRE + along - (time - 0.5) * TRAVEL_PIXELS
    if motion in ("right", "left"):
        return (towards if motion == "right" else away), still + lane, size, angle
    if motion in ("up", "down"):
        return still + lane, (towards if motion == "down" else away), size, angle
    if motion == "bouncing":
        return still + lane, 36.5 + along / 2 - 21 * np.abs(np.sin(2 * np.pi * time)), size, angle
    if motion == "spinning":
        angle = 1.25 * np.pi * time
    elif motion == "growing":
        size = 0.45 + 0.85 * time
    elif motion == "shrinking":
        size = 1.3 - 0.85 * time
    return still + lane, still + along, size, angle


def _distance(shape: str, x: float, y: float, radius: float, angle: float) -> Floats:
    """Signed distance in pixels from each pixel's centre to the outline, negative inside."""
    right, down = _X - np.float32(x), _Y - np.float32(y)
    if shape == "circle":
        return np.asarray(np.hypot(right, down) - radius, np.float32)
    cos, sin = math.cos(angle), math.sin(angle)
    u, v = (cos * right + sin * down) / radius, (cos * down - sin * right) / radius
    if shape == "square":
        return np.asarray((np.maximum(np.abs(u), np.abs(v)) - 0.9) * radius, np.float32)
    return _polygon_distance(u, v, _TRIANGLE if shape == "triangle" else _STAR) * np.float32(radius)


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
