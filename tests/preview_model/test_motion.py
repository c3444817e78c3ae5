from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preview_model.chance import Chance
from preview_model.motion import LANE, LARGEST, SMALLEST, Pose, poses, poses_from
from preview_model.recipe import NUM_FRAMES, WIDTH
from preview_model.scene import COUNTS, MOTIONS, Scene

shares = st.floats(-1, 1)
chances = st.builds(Chance, shares, shares, shares, shares, shares)
scenes = st.builds(Scene, motion=st.sampled_from(MOTIONS), count=st.sampled_from(COUNTS))


@pytest.mark.parametrize(("motion", "dx", "dy"), [("right", 1, 0), ("left", -1, 0), ("up", 0, -1), ("down", 0, 1)])
def test_objects_travel_their_way_at_one_speed(motion: str, dx: int, dy: int) -> None:
    steps = np.diff(poses(Scene(motion=motion), Chance(speed=0.5))[0, :, :2], axis=0)
    assert np.allclose(steps, steps[0], atol=1e-4)
    assert np.sign(np.round(steps[0], 3)).tolist() == [dx, dy]


def test_growing_and_shrinking_change_the_area_several_times() -> None:
    growing, shrinking = (poses(Scene(motion=m), Chance())[0, :, 2] for m in ("growing", "shrinking"))
    assert growing[-1] > 2.4 * growing[0]
    assert shrinking[0] > 2.4 * shrinking[-1]


@given(chances)
def test_a_turn_is_whole_and_the_same_for_every_seed(chance: Chance) -> None:
    angles = poses(Scene(motion="spinning"), chance)[0, :, 3]
    assert angles[0] == 0
    assert angles[-1] == pytest.approx(2 * np.pi)


@given(scenes, chances)
def test_chance_moves_objects_but_keeps_their_centres_in_the_frame(scene: Scene, chance: Chance) -> None:
    places = poses(scene, chance)
    assert places.shape == (scene.count, NUM_FRAMES, 4)
    assert (places[..., :2] > 4).all()
    assert (places[..., :2] < WIDTH - 4).all()


@given(scenes, chances)
def test_two_objects_keep_apart_and_move_alike(scene: Scene, chance: Chance) -> None:
    if scene.count == 2:
        first, second = poses(scene, chance)
        apart = second[:, :2] - first[:, :2]
        assert np.allclose(apart, apart[0], atol=1e-3)
        assert np.abs(apart[0]).max() == pytest.approx(2 * LANE)
        assert np.allclose(first[:, 2:], second[:, 2:])


@pytest.mark.parametrize(
    ("one", "other"),
    [(Chance(across=-1), Chance(across=1)), (Chance(size=-1), Chance(size=1)), (Chance(speed=-1), Chance(speed=1))],
)
def test_each_number_of_chance_makes_a_visible_difference(one: Chance, other: Chance) -> None:
    scene = Scene(motion="right")
    assert np.abs(poses(scene, one) - poses(scene, other)).max() > 2


@given(st.sampled_from(MOTIONS), st.floats(8, 40), st.floats(8, 40), st.floats(4, 12))
def test_a_clip_from_a_picture_begins_as_the_picture(motion: str, x: float, y: float, radius: float) -> None:
    places = poses_from(Scene(motion=motion), (Pose(x, y, radius, 0.2),))
    assert np.allclose(places[0, 0], [x, y, radius, 0.2], atol=1e-4)
    assert (places[..., 2] >= SMALLEST).all()
    assert (places[..., 2] <= LARGEST[1]).all()
