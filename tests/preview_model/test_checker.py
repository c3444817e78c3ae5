from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from preview_model.chance import Chance
from preview_model.checker import centres, look
from preview_model.drawing import draw_frames, draw_frames_from
from preview_model.examples import draw_starts
from preview_model.scene import (
    ALL_SCENES,
    ATTRIBUTES,
    BACKGROUNDS,
    COLOURS,
    SHAPES,
    Scene,
    Thing,
    draw_pair,
    draw_scene,
    is_visible,
)

VISIBLE = [scene for scene in ALL_SCENES if is_visible(scene)]


def draw_chance(rng: random.Random) -> Chance:
    return Chance(*(min(max(rng.gauss(0, 1) / 1.5, -1), 1) for _ in Chance._fields))


@pytest.mark.parametrize("kind", ["alike", "different"])
def test_drawn_clips_are_told_right_98_times_in_a_hundred(kind: str) -> None:
    rng = random.Random(11)
    draw = draw_scene if kind == "alike" else draw_pair
    scenes = [draw(rng, held_out=rng.random() < 0.5) for _ in range(200)]
    agreements = [look(draw_frames(scene, draw_chance(rng))).agrees(scene) for scene in scenes]
    for name in ATTRIBUTES:
        assert sum(a[name] for a in agreements) >= 0.98 * len(scenes), name
    assert sum(all(a.values()) for a in agreements) >= 0.98 * len(scenes)


@pytest.mark.parametrize("attribute", list(ATTRIBUTES))
def test_a_clip_of_another_value_does_not_agree(attribute: str) -> None:
    rng = random.Random(12)
    for _ in range(40):
        asked, shown = rng.choice(VISIBLE), rng.choice(VISIBLE)
        shown = replace(asked, **{attribute: getattr(shown, attribute)})
        if shown == asked or not is_visible(shown):
            continue
        assert not look(draw_frames(shown, draw_chance(rng))).agrees(asked)[attribute]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_told_through_mild_blur_and_noise(shape: str) -> None:
    rng = np.random.default_rng(13)
    frames = draw_frames(Scene(shape=shape, colour="yellow", motion="left")).astype(float)
    soft = (frames + np.roll(frames, 1, 1) + np.roll(frames, 1, 2) + np.roll(frames, (1, 1), (1, 2))) / 4
    noisy = np.clip(soft + rng.normal(0, 8, soft.shape), 0, 255).astype(np.uint8)
    sighting = look(noisy)
    assert (sighting.shape, sighting.colour, sighting.motion) == (shape, "yellow", "left")


def test_a_rounded_square_is_no_circle() -> None:
    y, x = np.mgrid[0:48, 0:48] + 0.5 - 24.0
    rounded = (np.abs(x / 9) ** 5 + np.abs(y / 9) ** 5 < 1)[None, :, :, None] * np.uint8(255)
    assert look(np.repeat(np.repeat(rounded, 3, -1), 16, 0).astype(np.uint8)).shape == "square"


def test_clips_that_cross_the_edge_are_told_right() -> None:
    rng = random.Random(15)
    scenes = [draw_scene(rng, held_out=False) for _ in range(60)]
    scenes = [scene for scene in scenes if scene.motion in ("right", "left", "up", "down", "still")]
    clips = [draw_frames_from(scene, draw_starts(scene, rng)) for scene in scenes]
    agreements = [look(clip, is_endless=True).agrees(scene) for scene, clip in zip(scenes, clips, strict=True)]
    assert sum(all(a.values()) for a in agreements) >= 0.95 * len(scenes)


def test_swapped_colours_are_not_what_was_asked() -> None:
    asked = Scene("square", "red", "still", "black", 2, Thing("circle", "blue"))
    shown = Scene("square", "blue", "still", "black", 2, Thing("circle", "red"))
    mirrored = Scene("circle", "blue", "still", "black", 2, Thing("square", "red"))
    assert not look(draw_frames(shown)).agrees(asked)["colour"]
    assert all(look(draw_frames(mirrored)).agrees(asked).values())


@pytest.mark.parametrize("colour", [c for c in COLOURS if c != "white"])
def test_one_faint_object_beside_a_bright_one_is_seen(colour: str) -> None:
    scene = Scene("star", colour, "still", "dark blue", 2, Thing("circle", "white"))
    assert all(look(draw_frames(scene)).agrees(scene).values())


def test_centres_are_where_the_objects_are() -> None:
    scene = Scene(count=2, motion="still")
    assert np.allclose(sorted(centres(draw_frames(scene)[0])), [(12, 23.5), (35, 23.5)], atol=0.1)


def test_an_empty_clip_shows_no_object() -> None:
    frames = np.full((16, 48, 48, 3), BACKGROUNDS["light blue"], np.uint8)
    sighting = look(frames)
    assert (sighting.background, sighting.count, sighting.shape, sighting.motion) == ("light blue", 0, None, None)


def test_noise_agrees_with_nothing_in_full() -> None:
    frames = np.random.default_rng(14).integers(0, 256, (16, 48, 48, 3)).astype(np.uint8)
    sighting = look(frames)
    assert not any(all(sighting.agrees(scene).values()) for scene in VISIBLE)


def test_a_thing_that_strays_has_none_of_the_motions() -> None:
    path = [draw_frames(Scene(motion="right"))[i] for i in (0, 15, 0, 15) * 4]
    assert look(np.stack(path)).motion == "wandering"


@pytest.mark.parametrize("frames", [np.zeros((16, 48, 48), np.uint8), np.zeros((16, 48, 48, 3), np.float32)])
def test_anything_but_frames_is_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        look(frames)
