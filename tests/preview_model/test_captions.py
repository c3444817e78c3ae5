from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preview_model import exam, wordings
from preview_model.captions import (
    caption,
    conjugate,
    known_words,
    motion_caption,
    partial_caption,
    perturb,
    plural,
)
from preview_model.scene import ALL_SCENES, BACKGROUNDS, COLOURS, COUNTS, MOTIONS, SHAPES, Scene, draw_pair

scenes = st.sampled_from(ALL_SCENES)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize(
    ("motion", "forms"),
    [
        ("slide to left", ("sliding to left", "slides to left", "slide to left")),
        ("spin", ("spinning", "spins", "spin")),
        ("fly up", ("flying up", "flies up", "fly up")),
        ("stay put", ("staying put", "stays put", "stay put")),
        ("go down", ("going down", "goes down", "go down")),
        ("diminish", ("diminishing", "diminishes", "diminish")),
        ("not move", ("not moving", "does not move", "do not move")),
        ("be static", ("static", "is static", "are static")),
    ],
)
def test_verbs_are_conjugated(motion: str, forms: tuple[str, str, str]) -> None:
    assert conjugate(motion) == forms


def test_every_shape_word_has_a_plural() -> None:
    for words in wordings.SHAPE_WORDS.values():
        for word in words:
            assert plural(word) != word


def test_every_value_of_every_attribute_has_words() -> None:
    assert set(wordings.SHAPE_WORDS) == set(SHAPES)
    assert set(wordings.COLOUR_WORDS) == set(COLOURS)
    assert set(wordings.MOTION_WORDS) == set(MOTIONS)
    assert set(wordings.BACKGROUND_WORDS) == set(BACKGROUNDS)
    assert set(wordings.COUNT_WORDS) == set(COUNTS)


def test_no_word_means_two_colours_or_two_motions() -> None:
    for table in (wordings.COLOUR_WORDS, wordings.SHAPE_WORDS, wordings.MOTION_WORDS, wordings.BACKGROUND_WORDS):
        phrases = [phrase for choices in table.values() for phrase in set(choices)]
        assert len(phrases) == len(set(phrases))


@given(scenes, seeds)
def test_a_caption_uses_only_words_that_the_encoder_knows(scene: Scene, seed: int) -> None:
    assert set(caption(scene, random.Random(seed)).split()) <= set(known_words())


@given(scenes, seeds)
def test_a_caption_names_its_colour_background_and_shape(scene: Scene, seed: int) -> None:
    text = caption(scene, random.Random(seed))
    assert any(words in text for words in wordings.COLOUR_WORDS[scene.colour])
    assert any(words in text for words in wordings.BACKGROUND_WORDS[scene.background])
    shapes = wordings.SHAPE_WORDS[scene.shape]
    assert any(words in text for words in (shapes if scene.count == 1 else map(plural, shapes)))


@given(scenes, seeds)
def test_what_a_caption_leaves_out_is_the_default(scene: Scene, seed: int) -> None:
    meant, text = partial_caption(scene, random.Random(seed), omission_rate=1.0)
    assert meant == replace(Scene(), count=scene.count)
    assert set(text.split()) & set(wordings.THINGS + tuple(map(plural, wordings.THINGS)))


@given(scenes, seeds)
def test_a_caption_of_the_motion_names_nothing_else(scene: Scene, seed: int) -> None:
    said = set(motion_caption(scene, random.Random(seed)).split())
    assert said <= set(known_words())
    for choices in (*wordings.SHAPE_WORDS.values(), *wordings.COLOUR_WORDS.values()):
        assert not said & {word for phrase in choices for word in phrase.split()}


@given(scenes, seeds)
def test_perturbation_leaves_the_words_that_carry_an_attribute(scene: Scene, seed: int) -> None:
    text = caption(scene, random.Random(seed))
    kept = perturb(text, random.Random(seed), rate=0.5).split()
    carrying = [word for word in text.split() if word not in wordings.LINKING_WORDS and word != "across"]
    assert [word for word in kept if word in carrying] == carrying


def test_no_wording_of_the_exam_is_trained_on() -> None:
    trained = {form for verbs in wordings.MOTION_WORDS.values() for verb in verbs for form in conjugate(verb)}
    asked = {phrase for phrases in exam._MOTIONS.values() for phrase in phrases}
    assert not trained & asked
    assert not set(exam._SENTENCES) & set(wordings.SENTENCES)


def test_the_exam_is_the_same_every_time_and_names_every_attribute() -> None:
    questions = exam.questions()
    assert questions == exam.questions()
    assert len(questions) == exam.SIZE == 200
    assert len({question.seed for question in questions}) == exam.SIZE
    for question in questions:
        scene, prompt = question.scene, question.prompt
        assert any(words in prompt for words in wordings.COLOUR_WORDS[scene.colour])
        assert any(words in prompt for words in wordings.BACKGROUND_WORDS[scene.background])
        assert any(phrase in prompt for phrase in exam._MOTIONS[scene.motion])


def test_the_rehearsal_shares_no_combination_with_the_exam() -> None:
    asked = {(q.scene.shape, q.scene.colour, q.scene.motion) for q in exam.questions()}
    rehearsed = {(q.scene.shape, q.scene.colour, q.scene.motion) for q in exam.rehearsal()}
    assert not asked & rehearsed


@given(seeds)
def test_a_caption_of_two_different_objects_names_both(seed: int) -> None:
    rng = random.Random(seed)
    scene = draw_pair(rng, held_out=False)
    text = caption(scene, rng)
    assert set(text.split()) <= set(known_words())
    for thing in scene.things:
        assert any(words in text for words in wordings.COLOUR_WORDS[thing.colour])
    shapes = {thing.shape for thing in scene.things}
    assert len(shapes) == 1 or all(any(w in text for w in wordings.SHAPE_WORDS[shape]) for shape in shapes)


def test_plain_is_said_of_every_background() -> None:
    rng = random.Random(4)
    scenes = [replace(Scene(), background=background) for background in BACKGROUNDS for _ in range(300)]
    said = Counter(scene.background for scene in scenes if "plain" in caption(scene, rng).split())
    assert set(said) == set(BACKGROUNDS)
    assert max(said.values()) < 3 * min(said.values())
