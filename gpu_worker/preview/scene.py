"""What the preview model can be asked for: the five attributes of a clip and their values."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import NamedTuple


class Rgb(NamedTuple):
    red: int
    green: int
    blue: int


SHAPES = ("circle", "square", "triangle", "star")
COLOURS = {
    "red": Rgb(225, 35, 40),
    "green": Rgb(40, 185, 60),
    "blue": Rgb(45, 85, 235),
    "yellow": Rgb(250, 215, 20),
    "orange": Rgb(250, 135, 20),
    "purple": Rgb(145, 50, 205),
    "cyan": Rgb(20, 215, 220),
    "pink": Rgb(250, 110, 180),
    "white": Rgb(250, 250, 250),
}
BACKGROUNDS = {
    "black": Rgb(0, 0, 0),
    "white": Rgb(240, 240, 240),
    "grey": Rgb(120, 120, 120),
    "dark blue": Rgb(15, 20, 70),
    "light blue": Rgb(150, 200, 240),
}
MOTIONS = ("right", "left", "up", "down", "bouncing", "spinning", "growing", "shrinking", "still")
COUNTS = (1, 2)


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip, named. The defaults are what a prompt gets for what it does not mention."""

    shape: str = "circle"
    colour: str = "red"
    motion: str = "still"
    background: str = "black"
    count: int = 1


ATTRIBUTES: dict[str, tuple[str | int, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "motion": MOTIONS,
    "background": tuple(BACKGROUNDS),
    "count": COUNTS,
}
"""Attribute of a scene → its values, in the order in which the text encoder's registers name them."""


def is_visible(scene: Scene) -> bool:
    """Whether the clip can be told apart by eye: not white on white, and no circle spinning about its centre."""
    return (scene.colour, scene.background) != ("white", "white") and (scene.shape, scene.motion) != (
        "circle",
        "spinning",
    )


def is_held_out(scene: Scene) -> bool:
    """Whether this (shape, colour, motion) is kept from training: one colour in nine for each shape in each motion."""
    turn = MOTIONS.index(scene.motion) + 2 * SHAPES.index(scene.shape)
    return tuple(COLOURS).index(scene.colour) == turn % len(COLOURS)


ALL_SCENES = tuple(Scene(*values) for values in itertools.product(SHAPES, COLOURS, MOTIONS, BACKGROUNDS, COUNTS))
"""Every combination, the unreadable ones too: prompts may ask for those."""


def draw_scene(rng: random.Random, *, held_out: bool) -> Scene:
    """A visible scene, every attribute equally likely, of the held-out combinations or of the others."""
    while True:
        scene = Scene(
            shape=rng.choice(SHAPES),
            colour=rng.choice(tuple(COLOURS)),
            motion=rng.choice(MOTIONS),
            background=rng.choice(tuple(BACKGROUNDS)),
            count=rng.choice(COUNTS),
        )
        if is_visible(scene) and is_held_out(scene) == held_out:
            return scene
