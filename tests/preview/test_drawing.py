from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.preview.drawing import draw_frames, draw_mask, paint
from gpu_worker.preview.recipe import HEIGHT, NUM_FRAMES, WIDTH
from gpu_worker.preview.scene import ALL_SCENES, BACKGROUNDS, COLOURS, MOTIONS, SHAPES, Scene


def centres(mask: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of mass of each frame, (x, y), in pixels."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    area = mask.sum((1, 2))
    return (mask * x).sum((1, 2)) / area, (mask * y).sum((1, 2)) / area


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize(("motion", "dx", "dy"), [("right", 1, 0), ("left", -1, 0), ("up", 0, -1), ("down", 0, 1)])
def test_objects_travel_their_way_at_one_speed(rng: np.random.Generator, motion: str, dx: int, dy: int) -> None:
    x, y = centres(draw_mask(Scene(shape="star", motion=motion), rng))
    assert np.allclose(np.diff(x), dx * 24 / 15, atol=0.15)
    assert np.allclose(np.diff(y), dy * 24 / 15, atol=0.15)


def test_growing_is_shrinking_backwards(rng: np.random.Generator) -> None:
    growing = draw_mask(Scene(motion="growing"), rng, jitter=0)
    shrinking = draw_mask(Scene(motion="shrinking"), rng, jitter=0)
    assert np.allclose(growing[::-1], shrinking, atol=1e-3)
    assert growing[-1].sum() > 6 * growing[0].sum()


def test_a_still_clip_does_not_change(rng: np.random.Generator) -> None:
    mask = draw_mask(Scene(motion="still"), rng)
    assert (mask == mask[0]).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_covered_area_is_the_outline_s(rng: np.random.Generator, shape: str) -> None:
    radius = 9.5
    star = 5 * 1.2 * 0.5 * np.sin(np.pi / 5)
    area = {"circle": np.pi, "square": 1.8**2, "triangle": (0.74 + 1.08) * 1.0, "star": star}[shape] * radius**2
    assert draw_mask(Scene(shape=shape), rng, jitter=0)[0].sum() == pytest.approx(area, rel=0.02)


def test_jitter_makes_takes_differ_and_zero_makes_them_equal() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(2)
    assert not np.array_equal(draw_mask(Scene(), one), draw_mask(Scene(), other))
    assert np.array_equal(draw_mask(Scene(), one, jitter=0), draw_mask(Scene(), other, jitter=0))


def test_paint_takes_the_two_colours_and_nothing_outside_them(rng: np.random.Generator) -> None:
    scene = Scene(colour="purple", background="light blue", motion="spinning", shape="square")
    frames = draw_frames(scene, rng)
    assert frames.shape == (NUM_FRAMES, HEIGHT, WIDTH, 3)
    assert tuple(frames[0, 24, 24]) == COLOURS["purple"]
    assert tuple(frames[0, 0, 0]) == BACKGROUNDS["light blue"]
    assert paint(draw_mask(scene, rng), scene).min() >= -1


@pytest.mark.parametrize("motion", MOTIONS)
def test_objects_stay_in_the_frame_and_apart(rng: np.random.Generator, motion: str) -> None:
    for scene in ALL_SCENES:
        if scene.motion == motion and scene.colour == "red" and scene.background == "black":
            mask = draw_mask(scene, rng)
            assert max(mask[:, 0].max(), mask[:, -1].max(), mask[:, :, 0].max(), mask[:, :, -1].max()) < 0.75
            if scene.count == 2:
                middle = mask[:, :, WIDTH // 2 - 1 : WIDTH // 2 + 1], mask[:, HEIGHT // 2 - 1 : HEIGHT // 2 + 1]
                assert min(part.max(axis=(1, 2)).mean() for part in middle) < 0.6
