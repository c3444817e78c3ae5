"""The examination of clips that go on from something: 100 given pictures, and 50 clips to be continued.

Fixed before any result was looked at, and asked as ``exam`` asks: combinations that were never trained on,
sentences and motion phrases that training does not know, the question's number as its seed, nothing selected.

The pictures are drawn: one object or two, whole, upright, anywhere in the frame. Half of the prompts name what the
picture shows, the others only how it is to move. The clips to be continued are the model's own, of the exam's first
questions; the prompt stays. What grows or shrinks is not continued: it would leave the frame, or be too small to tell.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preview_model import wordings
from preview_model.captions import plural
from preview_model.checker import centres, look
from preview_model.drawing import draw_frames_from
from preview_model.exam import SEED, Question, motion_phrase, questions
from preview_model.motion import CENTRE, LANE, Pose
from preview_model.scene import Scene, draw_pair, draw_scene

Frames = NDArray[np.uint8]

PICTURES = 100
CONTINUED = 50
LARGEST_STEP_PIXELS = {"bouncing": 10.0}
"""How far objects may be from the given frame's place in the first new one, by motion; else 4. A jump is fast."""


@dataclass(frozen=True, slots=True)
class PictureQuestion:
    """A given picture (uint8, height × width × 3), what is asked of it, and what the clip must show."""

    seed: int
    prompt: str
    scene: Scene
    picture: Frames


_NAMELESS = (
    "Animate it: {motion}", "{motion}, please", "let's see it {motion}", "make this picture come alive, {motion}",
)  # fmt: skip
_NAMED = (
    "{subject} {motion}", "I'd love to see {subject} {motion}!", "please show {subject} {motion}, 4k",
    "this is {subject}, {motion}",
)  # fmt: skip


def picture_questions() -> tuple[PictureQuestion, ...]:
    """The 100 pictures, the same on every machine."""
    rng = random.Random(SEED + 4)
    return tuple(_picture_question(number, rng, held_out=True) for number in range(PICTURES))


def picture_rehearsal(size: int = 60) -> tuple[PictureQuestion, ...]:
    """Other combinations, to tune by."""
    rng = random.Random(SEED + 5)
    return tuple(_picture_question(number, rng, held_out=False) for number in range(size))


def continued_questions() -> tuple[Question, ...]:
    """The 50 prompts whose clips are to be continued."""
    return tuple(q for q in questions() if q.scene.motion not in ("growing", "shrinking"))[:CONTINUED]


def agreement(given: Frames, clip: Frames, scene: Scene) -> dict[str, bool]:
    """Attribute → whether ``clip`` shows it; ``start`` → whether it begins with ``given`` and goes on from there.

    ``clip`` (uint8, frames × height × width × 3) must have ``given`` as its first frame, unchanged but for rounding,
    and in the frame after it as many objects, each no farther than ``LARGEST_STEP_PIXELS`` from where one was.
    """
    is_first = np.abs(clip[0].astype(int) - given).max() <= 2
    before, after = (centres(frame) for frame in clip[:2])
    goes_on = len(before) == len(after) and all(
        min(_distance(place, other, clip.shape[1]) for other in after) < LARGEST_STEP_PIXELS.get(scene.motion, 4.0)
        for place in before
    )
    return {"start": bool(is_first and goes_on), **look(clip, is_endless=True).agrees(scene)}


def _distance(one: tuple[float, float], other: tuple[float, float], period: int) -> float:
    away = np.abs(np.subtract(one, other))
    return float(np.hypot(*np.minimum(away, period - away)))


def _picture_question(number: int, rng: random.Random, *, held_out: bool) -> PictureQuestion:
    scene = (draw_pair if rng.random() < 0.2 else draw_scene)(rng, held_out=held_out)
    starts = _draw_starts(scene, rng)
    sentence = rng.choice(_NAMED if rng.random() < 0.5 else _NAMELESS)
    prompt = sentence.format(subject=_subject(scene, rng), motion=motion_phrase(scene, rng))
    return PictureQuestion(number, prompt, scene, draw_frames_from(scene, starts)[0])


def _subject(scene: Scene, rng: random.Random) -> str:
    names = [
        f"{rng.choice(wordings.COLOUR_WORDS[thing.colour])} {rng.choice(wordings.SHAPE_WORDS[thing.shape])}"
        for thing in scene.things
    ]
    if scene.count == 1:
        return f"a {names[0]}"
    return f"a {names[0]} and a {names[1]}" if scene.second else f"two {plural(names[0])}"


def _draw_starts(scene: Scene, rng: random.Random) -> tuple[Pose, ...]:
    if scene.count == 2:
        radius = rng.uniform(4.0, 5.5) if scene.motion == "growing" else rng.uniform(5.0, 7.5)
        across, along = rng.uniform(-2.5, 2.5), rng.uniform(-10, 10)
        y = CENTRE + abs(along) if scene.motion == "bouncing" else CENTRE + along
        if scene.motion in ("right", "left"):
            return tuple(Pose(CENTRE + along, CENTRE + lane + across, radius) for lane in (-LANE, LANE))
        return tuple(Pose(CENTRE + lane + across, y, radius) for lane in (-LANE, LANE))
    radius = rng.uniform(5.0, 7.5) if scene.motion == "growing" else rng.uniform(6.0, 11.0)
    room = CENTRE - 1.2 * radius
    x, y = CENTRE + rng.uniform(-room, room), CENTRE + rng.uniform(-room, room)
    return (Pose(x, CENTRE + abs(y - CENTRE) if scene.motion == "bouncing" else y, radius),)
