"""What the preview model can be asked for: the five attributes of a clip and their values."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
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


class Thing(NamedTuple):
    """One object."""

    shape: str
    colour: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip, named. The defaults are what a prompt gets for what it does not mention.

    ``second`` is there where the second of two objects differs from the first; it moves alike.
    """

    shape: str = "circle"
    colour: str = "red"
    motion: str = "still"
    background: str = "black"
    count: int = 1
    second: Thing | None = None

    def __post_init__(self) -> None:
        if self.second is not None and self.count != 2:
            raise ValueError(f"A second object makes two, not {self.count}")

    @property
    def things(self) -> tuple[Thing, ...]:
        """The objects, in the order in which they are named: from the left, or from the top."""
        first = Thing(self.shape, self.colour)
        return (first,) if self.count == 1 else (first, self.second or first)


ATTRIBUTES: dict[str, tuple[str | int, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "motion": MOTIONS,
    "background": tuple(BACKGROUNDS),
    "count": COUNTS,
}
"""Attribute of a scene → its values."""

REGISTERS: dict[str, tuple[str | int, ...]] = {**ATTRIBUTES, "second_shape": SHAPES, "second_colour": tuple(COLOURS)}
"""What the text encoder finds in a prompt → its values, in the order of its registers."""


def register(scene: Scene, name: str) -> str | int:
    """The value of ``scene`` in one of the ``REGISTERS``. A second object that is not there is like the first."""
    if name.startswith("second_"):
        return str(getattr(scene.things[-1], name.removeprefix("second_")))
    value: str | int = getattr(scene, name)
    return value


def is_visible(scene: Scene) -> bool:
    """Whether the clip can be told apart by eye: not white on white, and no circle spinning about its centre."""
    return all(
        (thing.colour, scene.background) != ("white", "white") and (thing.shape, scene.motion) != ("circle", "spinning")
        for thing in scene.things
    )


def is_held_out(scene: Scene) -> bool:
    """Whether this (shape, colour, motion) is kept from training: one colour in nine for each shape in each motion.

    Two different objects are kept from training when either is.
    """
    return any(
        tuple(COLOURS).index(thing.colour)
        == (MOTIONS.index(scene.motion) + 2 * SHAPES.index(thing.shape)) % len(COLOURS)
        for thing in scene.things
    )


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


def draw_pair(rng: random.Random, *, held_out: bool) -> Scene:
    """A visible scene of two different objects, the first of a held-out combination or neither of one."""
    while True:
        first = draw_scene(rng, held_out=held_out)
        second = Thing(rng.choice(SHAPES), rng.choice(tuple(COLOURS)))
        scene = replace(first, count=2, second=second)
        if second != scene.things[0] and is_visible(scene) and is_held_out(scene) == held_out:
            return scene
