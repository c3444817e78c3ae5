"""How the objects of a scene move: where each is, how large and how far turned, at every frame.

A clip begins where the prompt and chance put its objects, or where a given picture has them; from there the motion
goes its way. The frame is a torus: what leaves it on the right comes in on the left, so that a clip can be continued
for ever and always does what it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preview_model.chance import Chance
from preview_model.recipe import NUM_FRAMES, WIDTH
from preview_model.scene import Scene

Floats = NDArray[np.float32]

CENTRE = WIDTH / 2
RADIUS = {1: 9.2, 2: 7.0}
LANE = 11.5
"""How far beside the middle of the frame each of two objects keeps."""
TRAVEL_PIXELS = 22.5
JUMP_PIXELS = 21.0
GROUND = 36.0
TURN = 2 * np.pi
"""A whole turn, so that a clip that goes on from the last frame of another begins upright, as every turning does."""
SMALLEST = 2.5
LARGEST = {1: 19.0, 2: 10.0}
"""Bounds of a radius: nothing shrinks to nothing, or grows past the frame or into the other object."""
_TIMES = np.linspace(0, 1, NUM_FRAMES, dtype=np.float32)
_DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}


@dataclass(frozen=True, slots=True)
class Pose:
    """One object in one frame: centre and radius in pixels, angle in radians."""

    x: float
    y: float
    radius: float
    angle: float = 0.0


def poses(scene: Scene, chance: Chance) -> Floats:
    """Where the objects are in a clip of the prompt alone: (objects, frames, [x, y, radius, angle])."""
    radius = RADIUS[scene.count] * (1 + 0.15 * chance.size)
    is_line = scene.motion in _DIRECTIONS
    across = (2.6 if scene.count == 2 else 9.0 if is_line or scene.motion == "bouncing" else 6.5) * chance.across
    along = (2.5 if is_line else 6.5) * chance.along
    speed = 1 + 0.2 * chance.speed
    is_horizontal = scene.motion in ("right", "left")
    made = []
    for lane in (0.0,) if scene.count == 1 else (-LANE, LANE):
        x, y = (along, lane + across) if is_horizontal else (lane + across, along)
        start = radius
        if scene.motion in _DIRECTIONS:
            right, down = _DIRECTIONS[scene.motion]
            x, y = x - right * speed * TRAVEL_PIXELS / 2, y - down * speed * TRAVEL_PIXELS / 2
        elif scene.motion == "growing":
            start = 0.5 * radius
        elif scene.motion == "shrinking":
            start = (1.35 if scene.count == 1 else 1.2) * radius
        elif scene.motion == "bouncing":
            y = GROUND - CENTRE + 1.5 * chance.along
        made.append(
            _follow(
                scene.motion,
                Pose(CENTRE + x, CENTRE + y, start),
                largest=LARGEST[scene.count],
                speed=speed,
                jump_pixels=JUMP_PIXELS * (1 + 0.12 * chance.speed),
                phase=0.35 * chance.phase,
            )
        )
    return np.stack(made)


def poses_from(scene: Scene, starts: tuple[Pose, ...]) -> Floats:
    """Where the objects are in a clip that begins as a picture has them: the same shape as ``poses`` gives."""
    largest = LARGEST[scene.count]
    return np.stack([_follow(scene.motion, start, largest=largest, jump_pixels=0.55 * start.y) for start in starts])


def _follow(
    motion: str, start: Pose, *, largest: float, jump_pixels: float, speed: float = 1.0, phase: float = 0.0
) -> Floats:
    x, y, radius, angle = (np.full_like(_TIMES, value) for value in (start.x, start.y, start.radius, start.angle))
    if motion in _DIRECTIONS:
        right, down = _DIRECTIONS[motion]
        x, y = x + right * speed * TRAVEL_PIXELS * _TIMES, y + down * speed * TRAVEL_PIXELS * _TIMES
    elif motion == "bouncing":
        y = y - jump_pixels * np.abs(np.sin(2 * np.pi * _TIMES + phase))
    elif motion == "spinning":
        # Chance has no part in it: an angle would have to be heard to a few degrees, or corners become a blur.
        angle = angle + TURN * _TIMES
    elif motion == "growing":
        radius = np.minimum(radius * (1 + 1.6 * _TIMES), largest)
    elif motion == "shrinking":
        radius = np.maximum(radius * (1 - 0.62 * _TIMES), SMALLEST)
    return np.stack([x, y, radius, angle], -1).astype(np.float32)
