"""The shipped model behind the whole site: prompts over HTTP, MP4 files back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from preview_model import recipe
from preview_model.checker import look
from preview_model.continuation_exam import agreement
from preview_model.drawing import draw_frames_from
from preview_model.motion import Pose
from preview_model.scene import Scene
from tests.prepared_site import NewSite
from tests.preview_model.ten_prompts import TEN_PROMPTS


def thumbnails(clip: Path) -> NDArray[np.uint8]:
    """The frames of an MP4 as the model drew them, before they were enlarged."""
    with av.open(str(clip)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    count, height, width, _ = frames.shape
    assert (height, width) == (recipe.HEIGHT * recipe.UPSCALE, recipe.WIDTH * recipe.UPSCALE)
    squares = frames.reshape(count, recipe.HEIGHT, recipe.UPSCALE, recipe.WIDTH, recipe.UPSCALE, 3)
    return np.asarray(squares[:, :, 2:-2, :, 2:-2].mean((2, 4)).round(), np.uint8)


@pytest.fixture(scope="module")
def site(new_site: NewSite) -> Iterator[Stack]:
    # The model is judged here, not the words in the corner of a visitor's clip.
    with Stack(
        new_site("preview"), is_prepared=True, processes=("web", "reports", "gpu"), settings={"WATERMARK": ""}
    ) as stack:
        yield stack


def finished(
    visitor: Visitor, video: dict[str, Any], clip: Path, *, num_frames: int = recipe.NUM_FRAMES
) -> NDArray[np.uint8]:
    """What the visitor gets when the clip is there, as thumbnails."""
    assert [event for event, _ in visitor.events(video["id"])][-1] == "done"
    visitor.download(video["id"], clip)
    frames = thumbnails(clip)
    assert len(frames) == num_frames
    return frames


def test_prompts_come_back_as_clips_that_show_them(site: Stack, tmp_path: Path) -> None:
    """One with capitals, one of two objects, one with words around it.

    What the weights make of all ten, ``test_weights`` sees; the way from here to a file is the same for each.
    """
    prompts = list(TEN_PROMPTS.items())
    for number, (prompt, scene) in enumerate((prompts[0], prompts[6], prompts[9])):
        clip = tmp_path / f"{number}.mp4"
        with Visitor(site.url) as visitor:  # each with an allowance of their own
            frames = finished(visitor, visitor.create(prompt, seed=number), clip)
        wrong = [name for name, agrees in look(frames).agrees(scene).items() if not agrees]
        assert not wrong, (prompt, look(frames))


def test_a_clip_goes_on_where_it_ended(site: Stack, tmp_path: Path) -> None:
    with Visitor(site.url) as visitor:
        first = visitor.create("a yellow star moving right on a dark blue background", seed=1)
        before = finished(visitor, first, tmp_path / "first.mp4")
        headers = {"X-CSRFToken": visitor.client.cookies["csrftoken"]}
        ask = {"video": {"id": first["id"]}, "prompt": "a yellow star moving right", "seed": 2}
        second = visitor.client.post("/v1/videos/extensions", json=ask, headers=headers).json()
        num_frames = 2 * recipe.NUM_FRAMES - 1  # the whole: the frame where they meet is in it once
        whole = finished(visitor, second, tmp_path / "second.mp4", num_frames=num_frames)
    assert np.abs(whole[: recipe.NUM_FRAMES].astype(int) - before).mean() < 4
    after = whole[recipe.NUM_FRAMES - 1 :]
    scene = Scene("star", "yellow", "right", "dark blue")
    assert all(agreement(after[0], after, scene).values()), look(after, is_endless=True)


def test_a_picture_comes_alive(site: Stack, tmp_path: Path) -> None:
    scene = Scene("square", "green", "down", "grey")
    picture = Image.fromarray(draw_frames_from(scene, (Pose(16, 14, 8),))[0]).resize(
        (384, 384), Image.Resampling.NEAREST
    )
    file = io.BytesIO()
    picture.save(file, "PNG")
    with Visitor(site.url) as visitor:
        visitor.arrive()
        headers = {"X-CSRFToken": visitor.client.cookies["csrftoken"]}
        made = visitor.client.post(
            "/v1/videos",
            data={"prompt": "it falls down", "mode": "image", "seed": "3"},
            files={"image": ("square.png", file.getvalue(), "image/png")},
            headers=headers,
        ).json()
        frames = finished(visitor, made, tmp_path / "clip.mp4")
    assert all(agreement(frames[0], frames, scene).values()), look(frames, is_endless=True)
