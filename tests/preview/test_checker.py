from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from gpu_worker.preview.checker import look
from gpu_worker.preview.drawing import draw_frames
from gpu_worker.preview.scene import ALL_SCENES, ATTRIBUTES, BACKGROUNDS, SHAPES, Scene, is_visible

VISIBLE = [scene for scene in ALL_SCENES if is_visible(scene)]


def test_drawn_clips_are_told_right_98_times_in_a_hundred() -> None:
    rng, jitter = random.Random(11), np.random.default_rng(11)
    scenes = [rng.choice(VISIBLE) for _ in range(300)]
    agreements = [look(draw_frames(scene, jitter)).agrees(scene) for scene in scenes]
    for name in ATTRIBUTES:
        assert sum(a[name] for a in agreements) >= 0.98 * len(scenes), name
    assert sum(all(a.values()) for a in agreements) >= 0.98 * len(scenes)


@pytest.mark.parametrize("attribute", list(ATTRIBUTES))
def test_a_clip_of_another_value_does_not_agree(attribute: str) -> None:
    rng, jitter = random.Random(12), np.random.default_rng(12)
    for _ in range(40):
        asked, shown = rng.choice(VISIBLE), rng.choice(VISIBLE)
        shown = replace(asked, **{attribute: getattr(shown, attribute)})
        if shown == asked or not is_visible(shown):
            continue
        assert not look(draw_frames(shown, jitter)).agrees(asked)[attribute]


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_told_through_mild_blur_and_noise(shape: str) -> None:
    rng = np.random.default_rng(13)
    frames = draw_frames(Scene(shape=shape, colour="yellow", motion="left"), rng).astype(float)
    soft = (frames + np.roll(frames, 1, 1) + np.roll(frames, 1, 2) + np.roll(frames, (1, 1), (1, 2))) / 4
    noisy = np.clip(soft + rng.normal(0, 8, soft.shape), 0, 255).astype(np.uint8)
    sighting = look(noisy)
    assert (sighting.shape, sighting.colour, sighting.motion) == (shape, "yellow", "left")


def test_a_rounded_square_is_no_circle() -> None:
    y, x = np.mgrid[0:48, 0:48] + 0.5 - 24.0
    rounded = (np.abs(x / 9) ** 5 + np.abs(y / 9) ** 5 < 1)[None, :, :, None] * np.uint8(255)
    assert look(np.repeat(np.repeat(rounded, 3, -1), 16, 0).astype(np.uint8)).shape == "square"


def test_an_empty_clip_shows_no_object() -> None:
    frames = np.full((16, 48, 48, 3), BACKGROUNDS["light blue"], np.uint8)
    sighting = look(frames)
    assert (sighting.background, sighting.count, sighting.shape, sighting.motion) == ("light blue", 0, None, None)


def test_noise_agrees_with_nothing_in_full() -> None:
    frames = np.random.default_rng(14).integers(0, 256, (16, 48, 48, 3)).astype(np.uint8)
    sighting = look(frames)
    assert not any(all(sighting.agrees(scene).values()) for scene in VISIBLE)


def test_a_thing_that_strays_has_none_of_the_motions() -> None:
    path = [draw_frames(Scene(motion="right"), np.random.default_rng(1), jitter=0)[i] for i in (0, 15, 0, 15) * 4]
    assert look(np.stack(path)).motion == "wandering"


@pytest.mark.parametrize("frames", [np.zeros((16, 48, 48), np.uint8), np.zeros((16, 48, 48, 3), np.float32)])
def test_anything_but_frames_is_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        look(frames)
