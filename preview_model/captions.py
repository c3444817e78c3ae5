"""Captions of a scene in many wordings, complete or with parts left out."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from preview_model import wordings
from preview_model.scene import Scene

NAMELESS_RATE = 0.1
"""How often colour and object are said apart."""

_VOWELS = "aeiou"
_DOUBLING = frozenset({"get", "hop", "run", "drop", "spin", "sit", "bob"})


def conjugate(motion: str) -> tuple[str, str, str]:
    """A motion's present participle, its form for one subject and its form for several.

    >>> conjugate("slide to the left")
    ('sliding to the left', 'slides to the left', 'slide to the left')
    """
    if motion.startswith("not "):
        verb = motion.removeprefix("not ")
        return f"not {participle(verb)}", f"does not {verb}", f"do not {verb}"
    verb, _, rest = motion.partition(" ")
    if verb == "be":
        return rest, f"is {rest}", f"are {rest}"
    tail = f" {rest}" if rest else ""
    return participle(verb) + tail, third_person(verb) + tail, motion


def participle(verb: str) -> str:
    if verb in _DOUBLING:
        return verb + verb[-1] + "ing"
    if verb.endswith("e"):
        return verb[:-1] + "ing"
    return verb + "ing"


def third_person(verb: str) -> str:
    if verb.endswith(("s", "sh", "ch", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        return verb[:-1] + "ies"
    return verb + "s"


def plural(shape_words: str) -> str:
    """The shape's words for several of it: the last word in the plural."""
    *before, noun = shape_words.split()
    return " ".join([*before, wordings.PLURALS[noun]])


def caption(scene: Scene, rng: random.Random) -> str:
    """One of the training wordings of ``scene``, naming all five attributes (one object may go uncounted)."""
    return _compose(scene, rng, omitted=frozenset())


def motion_caption(scene: Scene, rng: random.Random) -> str:
    """Only how it is to move, as people say who give a picture of it."""
    return _motion(scene, rng)


def partial_caption(scene: Scene, rng: random.Random, *, omission_rate: float) -> tuple[Scene, str]:
    """A caption that leaves each attribute out with ``omission_rate``, and the scene it then means.

    What is left out takes the scene's default, so a prompt always names exactly one clip.
    """
    default = Scene()
    omissible = ("shape", "colour", "motion", "background") if scene.second is None else ("motion", "background")
    omitted = frozenset(name for name in omissible if rng.random() < omission_rate)
    meant = replace(scene, **{name: getattr(default, name) for name in omitted})
    return meant, _compose(meant, rng, omitted=omitted)


def perturb(text: str, rng: random.Random, *, rate: float) -> str:
    """Drop linking words and slip in others, as free prose does. Words that carry an attribute stay."""
    words: list[str] = []
    for word in text.split():
        if rng.random() < rate:
            words.append(rng.choice(wordings.LINKING_WORDS))
        if word in _DROPPABLE and rng.random() < rate:
            continue
        words.append(word)
    return " ".join(words)


_DROPPABLE = frozenset({"with", "is", "are", "across"})


def _compose(scene: Scene, rng: random.Random, omitted: frozenset[str]) -> str:
    templates: tuple[str, ...] = wordings.SENTENCES_WITHOUT_PLACE if "background" in omitted else wordings.SENTENCES
    words = {
        "motion": "" if "motion" in omitted else _motion(scene, rng),
        "background": _background(scene, rng),
        "surface": rng.choice(wordings.SURFACES),
    }
    if scene.second is not None:
        words["subject"] = _pair(scene, rng)
    else:
        count, colour, shape = _subject_words(scene, rng, omitted)
        subject = rng.choice(wordings.SUBJECTS) if colour else "{count} {shape}"
        words["subject"] = subject.format(count=count, colour=colour, shape=shape)
        if rng.random() < NAMELESS_RATE:
            words |= {"colour": colour, "nameless": f"{count} {shape}"}
            is_placeless = "background" in omitted
            templates = wordings.NAMELESS_SENTENCES_WITHOUT_PLACE if is_placeless else wordings.NAMELESS_SENTENCES
    place = rng.choice(wordings.PLACES).format(**words)
    return " ".join(rng.choice(templates).format(place=place, **words).split())


def _pair(scene: Scene, rng: random.Random) -> str:
    first, second = scene.things
    names = [rng.choice(wordings.SHAPE_WORDS[thing.shape]) for thing in scene.things]
    colours = [_colour(thing.colour, rng) for thing in scene.things]
    words = {"colour": colours[0], "other_colour": colours[1], "shape": names[0], "other_shape": names[1]}
    words["shapes"] = plural(names[0])
    for place, name, colour in zip(("first", "second"), names, colours, strict=True):
        words[place] = rng.choice(("{colour} {name}", "{colour} {name}", "one {colour} {name}", "{name} in {colour}"))
        words[place] = words[place].format(colour=colour, name=name)
    ways: tuple[str, ...] = wordings.PAIRS
    if first.shape == second.shape:
        ways += 2 * wordings.PAIRS_OF_ONE_SHAPE
    if first.colour == second.colour:
        ways += 2 * wordings.PAIRS_OF_ONE_COLOUR
    return rng.choice(ways).format(**words)


def _background(scene: Scene, rng: random.Random) -> str:
    word = rng.choice(wordings.BACKGROUND_WORDS[scene.background])
    return f"{wordings.PLAIN} {word}" if rng.random() < 0.1 else word


def _colour(name: str, rng: random.Random) -> str:
    word = rng.choice(wordings.COLOUR_WORDS[name])
    return f"{rng.choice(wordings.SHADES)} {word}" if name != "white" and rng.random() < 0.12 else word


def _subject_words(scene: Scene, rng: random.Random, omitted: frozenset[str]) -> tuple[str, str, str]:
    shape = rng.choice(wordings.THINGS if "shape" in omitted else wordings.SHAPE_WORDS[scene.shape])
    if scene.count > 1:
        shape = plural(shape)
    colour = "" if "colour" in omitted else _colour(scene.colour, rng)
    count = rng.choice(wordings.COUNT_WORDS[scene.count])
    if rng.random() < 0.1:
        count = f"{count} {rng.choice(wordings.SIZE_WORDS)}"
    return count, colour, shape


def _motion(scene: Scene, rng: random.Random) -> str:
    ing, one, several = conjugate(rng.choice(wordings.MOTION_WORDS[scene.motion]))
    finite = one if scene.count == 1 else several
    auxiliary = "is" if scene.count == 1 else "are"
    phrase = rng.choice((ing, ing, ing, finite, f"{auxiliary} {ing}"))
    if rng.random() < 0.15:
        adverb = rng.choice(wordings.ADVERBS)
        phrase = f"{adverb} {phrase}" if rng.random() < 0.5 else f"{phrase} {adverb}"
    return phrase


@cache
def known_words() -> tuple[str, ...]:
    """Every word that a training caption can use, sorted; the text encoder's vocabulary."""
    words = {*wordings.LINKING_WORDS, wordings.PLAIN}
    phrases = [
        *wordings.SENTENCES, *wordings.SUBJECTS, *wordings.PAIRS, *wordings.PAIRS_OF_ONE_SHAPE,
        *wordings.PLACES, *wordings.SURFACES, *wordings.ADVERBS,
        *wordings.SIZE_WORDS, *wordings.SHADES, *wordings.THINGS, *wordings.PLURALS, *wordings.PLURALS.values(),
    ]  # fmt: skip
    for by_value in (wordings.SHAPE_WORDS, wordings.COLOUR_WORDS, wordings.BACKGROUND_WORDS):
        phrases += [phrase for choices in by_value.values() for phrase in choices]
    phrases += [phrase for choices in wordings.COUNT_WORDS.values() for phrase in choices]
    phrases += [form for verbs in wordings.MOTION_WORDS.values() for verb in verbs for form in conjugate(verb)]
    for phrase in phrases:
        words.update(word for word in phrase.split() if "{" not in word)
    return tuple(sorted(words - {"a", "an", "the"}))
