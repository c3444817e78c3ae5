"""The examination of the preview model: 200 prompts in free wording, fixed before any result was looked at.

Three things separate them from training. Their (shape, colour, motion) was never trained on. Their sentences and motion
phrases are not in ``wordings``: no phrase below may be copied there, nor may one be changed for what a model made of
it. And they are full of words that the model has never seen. Every prompt names all five attributes; its number is its
seed; the model is called as ``recipe`` says.

Beside them 100 prompts for two different objects, made alike and fixed before any result was looked at.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from preview_model import wordings
from preview_model.captions import caption, plural
from preview_model.scene import Scene, draw_pair, draw_scene

SIZE = 200
PAIRS = 100
SEED = 2026


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the seed to render it with, and what the clip must show."""

    seed: int
    prompt: str
    scene: Scene


_MOTIONS: dict[str, tuple[str, ...]] = {
    "right": (
        "gliding across to the right", "slowly making its way from the left edge to the right edge",
        "sliding over to the right hand side", "going off towards the right", "which flies off to the right",
        "that is slowly travelling rightwards",
    ),
    "left": (
        "gliding across to the left", "slowly making its way from the right edge to the left edge",
        "sliding over to the left hand side", "going off towards the left", "which flies off to the left",
        "that is slowly travelling leftwards",
    ),
    "up": (
        "rising slowly to the very top", "that goes straight up", "floating gently up and away", "climbing upwards",
        "moving vertically from the bottom up to the top", "which soars upward",
    ),
    "down": (
        "falling slowly to the very bottom", "that goes straight down", "sinking gently downwards",
        "dropping like a stone to the bottom", "moving vertically from the top down to the bottom",
        "which descends slowly",
    ),
    "bouncing": (
        "happily jumping up and down", "bouncing up and down like crazy", "that keeps hopping", "which bounces merrily",
        "hopping around like a rabbit", "jumping up and down again and again",
    ),
    "spinning": (
        "rotating slowly around its own axis", "spinning like a wheel", "that keeps rotating", "twirling like a dancer",
        "which turns round and round", "whirling around in place",
    ),
    "growing": (
        "becoming bigger and bigger", "that slowly becomes larger", "getting larger with time",
        "expanding until it is really big", "which keeps growing bigger", "slowly swelling like a balloon",
    ),
    "shrinking": (
        "becoming smaller with time", "that slowly gets smaller and smaller", "shrinking until it is really tiny",
        "slowly shrinking away to a small size", "which keeps getting smaller", "contracting and becoming smaller",
    ),
    "still": (
        "that does not move at all", "reporter completely still", "just sitting there motionless",
        "which stays exactly in place", "resting quietly without moving", "that simply remains still",
    ),
}  # fmt: skip

_SENTENCES = (
    "Please create a short clip of {subject} {motion}, in front of {place}.",
    "I'd love to see {subject} {motion} on {place}!",
    "{subject} {motion}, everything filmed against {place}, cinematic lighting",
    "Imagine {place}. Now add {subject} {motion}.",
    "a cute looping gif: {subject} {motion}; {place}",
    "Against {place}, we can see {subject} {motion}, 4k, masterpiece",
    "{place} and {subject} {motion} - nothing else please",
    "could you animate {subject} on {place}, {motion}?",
    "On {place} there should be {subject}, {motion}",
    "minimalist motion graphics of {subject} {motion} with {place}",
    "my kids want {subject} {motion} in front of {place}, thanks",
    "An educational video showing {subject} {motion}. Use {place}.",
)
_PLACES = (
    "a {background} background", "a plain {background} background", "a completely {background} background",
    "a {background} backdrop", "a simple {background} canvas", "an empty {background} screen",
)  # fmt: skip
_ADJECTIVES = ("", "", "", "shiny", "lovely", "glossy", "happy", "perfect", "simple", "cheerful")
_PAIRS = ("{0} and {1}", "{0} and also {1}", "{0} together with {1}", "both {0} and {1}", "{0}, next to {1},")
_COUNTS = {1: ("a", "a", "a single", "one", "the"), 2: ("two", "two", "a pair of", "a couple of", "2")}


def questions() -> tuple[Question, ...]:
    """The 200 questions, the same on every machine."""
    rng = random.Random(SEED)
    return tuple(_question(number, rng) for number in range(SIZE))


def pair_questions() -> tuple[Question, ...]:
    """The 100 questions for two different objects, the same on every machine."""
    rng = random.Random(SEED + 2)
    return tuple(_pair_question(number, rng) for number in range(PAIRS))


def rehearsal(size: int = 100) -> tuple[Question, ...]:
    """Questions to tune by, so that the exam stays unseen: other combinations, in the wordings of training."""
    rng = random.Random(SEED + 1)
    scenes = [draw_scene(rng, held_out=False) for _ in range(size)]
    return tuple(Question(seed=n, prompt=caption(scene, rng), scene=scene) for n, scene in enumerate(scenes))


def pair_rehearsal(size: int = 60) -> tuple[Question, ...]:
    """The same for two different objects."""
    rng = random.Random(SEED + 3)
    scenes = [draw_pair(rng, held_out=False) for _ in range(size)]
    return tuple(Question(seed=n, prompt=caption(scene, rng), scene=scene) for n, scene in enumerate(scenes))


def motion_phrase(scene: Scene, rng: random.Random) -> str:
    """One of the exam's ways to say how the objects of ``scene`` move."""
    return rng.choice(_MOTIONS[scene.motion])


def _question(number: int, rng: random.Random) -> Question:
    scene = draw_scene(rng, held_out=True)
    shape = rng.choice(wordings.SHAPE_WORDS[scene.shape])
    named = (
        rng.choice(_COUNTS[scene.count]),
        rng.choice(_ADJECTIVES),
        rng.choice(wordings.COLOUR_WORDS[scene.colour]),
        shape if scene.count == 1 else plural(shape),
    )
    prompt = rng.choice(_SENTENCES).format(
        subject=" ".join(word for word in named if word),
        motion=rng.choice(_MOTIONS[scene.motion]),
        place=rng.choice(_PLACES).format(background=rng.choice(wordings.BACKGROUND_WORDS[scene.background])),
    )
    return Question(seed=number, prompt=prompt, scene=scene)


def _pair_question(number: int, rng: random.Random) -> Question:
    scene = draw_pair(rng, held_out=True)
    subjects = [
        f"{rng.choice(_COUNTS[1])} {rng.choice(_ADJECTIVES)} {rng.choice(wordings.COLOUR_WORDS[thing.colour])}"
        f" {rng.choice(wordings.SHAPE_WORDS[thing.shape])}"
        for thing in scene.things
    ]
    prompt = rng.choice(_SENTENCES).format(
        subject=" ".join(rng.choice(_PAIRS).format(*subjects).split()),
        motion=motion_phrase(scene, rng),
        place=rng.choice(_PLACES).format(background=rng.choice(wordings.BACKGROUND_WORDS[scene.background])),
    )
    return Question(seed=number, prompt=prompt, scene=scene)
