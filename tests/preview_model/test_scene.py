from __future__ import annotations

import random

import pytest

from preview_model.scene import (
    ALL_SCENES,
    COLOURS,
    MOTIONS,
    SHAPES,
    Scene,
    Thing,
    draw_pair,
    draw_scene,
    is_held_out,
    is_visible,
)


def test_every_shape_in_every_motion_misses_one_colour_in_training() -> None:
    for shape in SHAPES:
        for motion in MOTIONS:
            missing = [c for c in COLOURS if is_held_out(Scene(shape=shape, colour=c, motion=motion))]
            assert len(missing) == 1


def test_every_colour_is_held_out_equally_often() -> None:
    held_out = [s.colour for s in ALL_SCENES if is_held_out(s)]
    assert {held_out.count(c) for c in COLOURS} == {len(held_out) // len(COLOURS)}


@pytest.mark.parametrize("held_out", [True, False])
def test_drawn_scenes_are_visible_and_keep_to_their_side(held_out: bool) -> None:
    rng = random.Random(3)
    for _ in range(300):
        scene = draw_scene(rng, held_out=held_out)
        assert is_visible(scene)
        assert is_held_out(scene) == held_out


def test_white_on_white_and_a_spinning_circle_cannot_be_seen() -> None:
    assert not is_visible(Scene(colour="white", background="white"))
    assert not is_visible(Scene(shape="circle", motion="spinning"))
    assert is_visible(Scene(shape="square", motion="spinning"))


@pytest.mark.parametrize("held_out", [True, False])
def test_drawn_pairs_are_two_different_visible_objects_and_keep_to_their_side(held_out: bool) -> None:
    rng = random.Random(4)
    for _ in range(200):
        scene = draw_pair(rng, held_out=held_out)
        first, second = scene.things
        assert first != second
        assert is_visible(scene)
        assert is_held_out(scene) == held_out


def test_a_second_object_makes_two() -> None:
    assert Scene(count=2).things == (Thing("circle", "red"),) * 2
    with pytest.raises(ValueError, match="makes two"):
        Scene(second=Thing("star", "blue"))
