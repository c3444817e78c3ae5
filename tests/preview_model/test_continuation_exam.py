from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import CogVideoXPipeline

from gpu_worker.preview.checkpoint import SHIPPED
from preview_model.continuation_exam import (
    agreement,
    continued_questions,
    picture_questions,
    picture_rehearsal,
)
from preview_model.drawing import draw_frames, draw_frames_from
from preview_model.evaluation import load, render
from preview_model.motion import Pose
from preview_model.scene import Scene, is_held_out


@pytest.fixture(scope="module")
def pipeline() -> CogVideoXPipeline:
    torch.set_num_threads(1)
    return load(SHIPPED)


def test_a_held_picture_is_the_first_frame_of_the_clip(pipeline: CogVideoXPipeline) -> None:
    pictures = np.stack([draw_frames(Scene("star", "cyan"))[0], draw_frames(Scene("square", background="grey"))[0]])
    clips = render(pipeline, ["a cyan star", "a red square"], [1, 2], pictures=pictures)
    assert np.abs(clips[:, 0].astype(int) - pictures).max() <= 1
    assert clips.shape == (2, 16, 48, 48, 3)


def test_what_begins_with_another_picture_or_leaps_does_not_agree() -> None:
    scene = Scene("star", "cyan", "right")
    clip = draw_frames_from(scene, (Pose(15, 20, 8),))
    assert all(agreement(clip[0], clip, scene).values())
    assert not agreement(clip[3], clip, scene)["start"]
    assert not agreement(clip[0], clip[[0, *range(8, 16), *range(1, 8)]], scene)["start"]


def test_standing_still_is_not_moving_as_asked() -> None:
    for question in picture_questions()[:12]:
        still = np.repeat(question.picture[None], 16, 0)
        agrees = agreement(question.picture, still, question.scene)
        assert agrees["motion"] == (question.scene.motion == "still")
        assert agrees["start"]


def test_the_exam_asks_for_what_training_never_showed() -> None:
    assert all(is_held_out(question.scene) for question in picture_questions())
    assert not any(is_held_out(question.scene) for question in picture_rehearsal())
    assert len(continued_questions()) == 50
    assert not {q.scene.motion for q in continued_questions()} & {"growing", "shrinking"}
