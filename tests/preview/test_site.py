"""The shipped model behind the whole site: prompts over HTTP, MP4 files back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.preview import recipe
from gpu_worker.preview.checker import look
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.preview.ten_prompts import TEN_PROMPTS


def thumbnails(clip: Path) -> NDArray[np.uint8]:
    """The frames of an MP4 as the model drew them, before each pixel was repeated."""
    with av.open(str(clip)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    count, height, width, _ = frames.shape
    assert (height, width) == (recipe.HEIGHT * recipe.UPSCALE, recipe.WIDTH * recipe.UPSCALE)
    squares = frames.reshape(count, recipe.HEIGHT, recipe.UPSCALE, recipe.WIDTH, recipe.UPSCALE, 3)
    return np.asarray(squares[:, :, 2:-2, :, 2:-2].mean((2, 4)).round(), np.uint8)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # The model is judged here, not the words in the corner of a visitor's clip.
    with Stack(tmp_path_factory.mktemp("site"), settings={"WATERMARK": ""}) as stack:
        yield stack


def finished(visitor: Visitor, video: dict[str, Any], clip: Path) -> NDArray[np.uint8]:
    """What the visitor gets when the clip is there, as thumbnails."""
    assert [event for event, _ in visitor.events(video["id"])][-1] == "done"
    visitor.download(video["id"], clip)
    frames = thumbnails(clip)
    assert len(frames) == recipe.NUM_FRAMES
    return frames


def test_ten_prompts_come_back_as_clips_that_show_them(site: Stack, tmp_path: Path) -> None:
    for number, (prompt, scene) in enumerate(TEN_PROMPTS.items()):
        clip = tmp_path / f"{number}.mp4"
        with Visitor(site.url) as visitor:  # each with an allowance of their own
            frames = finished(visitor, visitor.create(prompt, seed=number), clip)
        wrong = [name for name, agrees in look(frames).agrees(scene).items() if not agrees]
        assert not wrong, (prompt, look(frames))
