from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from preview_model.chance import Chance
from preview_model.drawing import draw_frames, draw_frames_from, draw_masks, paint
from preview_model.motion import Pose, poses
from preview_model.recipe import HEIGHT, NUM_FRAMES, WIDTH
from preview_model.scene import BACKGROUNDS, COLOURS, SHAPES, Scene, Thing


def mask_of(scene: Scene, chance: Chance | None = None) -> NDArray[np.float32]:
    """How much of each pixel the objects together cover, shape (frames, height, width)."""
    return np.asarray(draw_masks(scene, poses(scene, chance or Chance())).max(0), np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_covered_area_is_the_outline_s(shape: str) -> None:
    scene = Scene(shape=shape)
    radius = poses(scene, Chance())[0, 0, 2]
    star = 5 * 1.2 * 0.5 * np.sin(np.pi / 5)
    area = {"circle": np.pi, "square": 1.8**2, "triangle": (0.74 + 1.08) * 1.0, "star": star}[shape] * radius**2
    assert mask_of(scene)[0].sum() == pytest.approx(area, rel=0.02)


def test_a_still_clip_does_not_change() -> None:
    mask = mask_of(Scene(motion="still"), Chance(along=0.3, size=-1))
    assert (mask == mask[0]).all()


def test_paint_takes_the_two_colours_and_nothing_outside_them() -> None:
    scene = Scene(colour="purple", background="light blue", motion="spinning", shape="square")
    frames = draw_frames(scene)
    assert frames.shape == (NUM_FRAMES, HEIGHT, WIDTH, 3)
    assert tuple(frames[0, 24, 24]) == COLOURS["purple"]
    assert tuple(frames[0, 0, 0]) == BACKGROUNDS["light blue"]
    assert paint(draw_masks(scene, poses(scene, Chance())), scene).min() >= -1


def test_each_of_two_objects_has_its_own_shape_and_colour() -> None:
    scene = Scene(shape="square", colour="red", count=2, second=Thing("circle", "blue"))
    frame = draw_frames(scene)[0]
    assert tuple(frame[24, 12]) == COLOURS["red"]
    assert tuple(frame[24, 36]) == COLOURS["blue"]
    covered = (frame != BACKGROUNDS["black"]).any(-1)
    assert covered[:, :24].sum() != covered[:, 24:].sum()


def test_what_leaves_the_frame_comes_in_on_the_other_side() -> None:
    scene = Scene(shape="star", motion="right")
    frames = draw_frames_from(scene, (Pose(44, 24, 7),))
    covered = [(frame != 0).any(-1).sum() for frame in frames]
    assert max(covered) - min(covered) < 0.15 * max(covered)
    assert (frames[0, :, :4] != 0).any()
    assert (frames[0, :, -4:] != 0).any()
    middle = np.argwhere((frames[-1] != 0).any(-1)).mean(0)
    assert middle[1] < WIDTH / 2
