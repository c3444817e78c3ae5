"""A picture is found again by its hash, and no other for it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from gpu_worker.engine.video.clip import show_frame
from gpu_worker.media.perceptual_hash import BANDS, MOST_DIFFERENT_BITS, bands_of, hash_of


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


def lit(across: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A picture whose columns have these grey levels, those between them in between."""
    return np.interp(np.arange(256), np.linspace(0, 255, len(across)), across)[None].repeat(192, axis=0)


def night_sky() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    picture = lit([5, 70])
    picture[10:180:30, 10:250:40] = 90
    return picture


def horizon(at: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    picture = lit([180, 250])
    picture[at:] = lit([90, 20])[at:]
    return picture


def pillar_boxed(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    picture = np.zeros((192, 256))
    picture[:, 96:160] = np.asarray(landscape(seed).convert("L").resize((64, 192))).mean(axis=0)
    return picture


@pytest.mark.parametrize(
    "luma",
    [lit([40, 200]), lit([200, 40]), lit([40, 200])[:, ::-1], night_sky(), horizon(90), horizon(110), pillar_boxed(1)],
    ids=["wall", "wall darkening", "mirrored", "night sky", "horizon", "other horizon", "bars at the sides"],
)
def test_what_many_pictures_have_in_common_is_no_hash(luma: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    assert hash_of(np.clip(luma, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)) == ""


def test_of_mirror_images_both_have_a_hash_or_none() -> None:
    for seed in range(4):
        picture = np.asarray(landscape(seed))
        assert bool(hash_of(picture)) == bool(hash_of(np.ascontiguousarray(picture[:, ::-1])))


HASH = "0123456789abcdef" * 4


def share_found(bits: int, **cut: int) -> float:
    """How many of 2,000 hashes that differ from another in so many bits, anywhere, share a band with it."""
    chance = np.random.default_rng(0)
    copies = (
        f"{int(HASH, 16) ^ sum(1 << int(place) for place in chance.choice(256, bits, replace=False)):064x}"
        for _ in range(2_000)
    )
    return sum(bool({*bands_of(HASH, **cut)} & {*bands_of(copy, **cut)}) for copy in copies) / 2_000


@pytest.mark.parametrize(("bits", "least"), [(BANDS - 1, 1.0), (10, 0.95), (MOST_DIFFERENT_BITS, 0.7)])
def test_most_copies_share_a_band_wherever_they_differ(bits: int, least: float) -> None:
    assert share_found(bits) >= least


def test_every_copy_shares_a_sixteenth() -> None:
    assert share_found(MOST_DIFFERENT_BITS, digits=4) == 1.0


@pytest.mark.parametrize("flat", ["0", "f"])
def test_a_band_that_shows_nothing_is_none(flat: str) -> None:
    assert [place for place, _ in bands_of(flat * 8 + HASH[8:])] == list(range(1, BANDS))
