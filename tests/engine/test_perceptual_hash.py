"""A picture is found again by its hash, and no other for it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from gpu_worker.engine.video.clip import show_frame
from gpu_worker.engine.video.perceptual_hash import hash_of

MOST_DIFFERENT_BITS = 16
"""As the site counts copies: see generation.sharing.removals."""


def landscape(seed: int) -> Image.Image:
    """Waves of many sizes, other ones for each seed."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:192, 0:256]
    ground = sum(
        chance.uniform(20, 50) / n * np.sin(fy * rows + fx * columns + 6.3 * chance.random())
        for n, (fy, fx) in ((n, chance.normal(0, n / 60, 2)) for n in range(1, 9))
    )
    return Image.fromarray(np.clip(128 + ground, 0, 255).astype(np.uint8)).convert("RGB")


def compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file)


def marked(picture: Image.Image) -> Image.Image:
    return Image.fromarray(show_frame(np.asarray(picture), 1, "LoreMotion"))


def distance(one: Image.Image, other: Image.Image) -> int:
    first, second = (hash_of(np.asarray(picture)) for picture in (one, other))
    return (int(first, 16) ^ int(second, 16)).bit_count()


@pytest.mark.parametrize(
    "change",
    [
        compressed,
        marked,
        lambda picture: picture.resize((128, 96)),
        lambda picture: picture.resize((333, 250)),
        lambda picture: ImageEnhance.Brightness(picture).enhance(1.05),
    ],
    ids=["compressed", "marked", "half", "larger", "brighter"],
)
@pytest.mark.parametrize("seed", range(4))
def test_a_copy_is_near(seed: int, change: Callable[[Image.Image], Image.Image]) -> None:
    assert distance(landscape(seed), change(landscape(seed))) <= MOST_DIFFERENT_BITS


def test_other_pictures_are_far() -> None:
    pictures = [landscape(seed) for seed in range(12)]
    near = [distance(one, other) for at, one in enumerate(pictures) for other in pictures[:at]]
    assert min(near) > 2 * MOST_DIFFERENT_BITS


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_flat_ground_has_no_hash_whatever_grain_lies_on_it(grey: int) -> None:
    grain = np.random.default_rng(0).normal(grey, 3, (192, 256, 1)).repeat(3, axis=2)
    assert hash_of(np.clip(grain, 0, 255).astype(np.uint8)) == ""


def test_a_shape_on_flat_ground_shows_too_little() -> None:
    picture = np.zeros((192, 192, 3), np.uint8)
    picture[40:90, 60:110] = 200
    assert hash_of(picture) == ""
