"""How often a copy of a picture is found by its perceptual hash, and how often another one is taken for it.

    python -m benchmarks.perceptual_hash [--clips 1000]

Pictures are those in the middle of the synthetic clips of ``benchmarks.broken_clips``. Copies are scaled, compressed as
JPEG, brightened, marked in the corner or cropped.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from benchmarks.broken_clips import FINE, shown
from gpu_worker.engine.video.clip import show_frame
from gpu_worker.media.perceptual_hash import MOST_DIFFERENT_BITS, distance, hash_of

Picture = npt.NDArray[np.uint8]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1_000)
    count: int = parser.parse_args().clips
    began = time.process_time()
    pictures = [_picture(number) for number in range(count)]
    hashes = {number: hash_of(picture) for number, picture in enumerate(pictures)}
    known = {number: hashed for number, hashed in hashes.items() if hashed}
    print(f"{len(known)} of {count} pictures show enough for a hash")
    for name, change in COPIES.items():
        copies = {number: hash_of(change(pictures[number])) for number in known}
        found = sum(bool(copy) and _is_near(known[number], copy) for number, copy in copies.items())
        print(f"found again when {name}: {100 * found / max(1, len(known)):.1f} %")
    numbers = list(known)
    false = sum(_is_near(known[one], known[other]) for at, one in enumerate(numbers) for other in numbers[:at])
    pairs = len(numbers) * (len(numbers) - 1) // 2
    print(f"{time.process_time() - began:.0f} s of processor time")
    print(f"other pictures taken for copies: {false} of {pairs} pairs")
    return 0


def _is_near(one: str, other: str) -> bool:
    return distance(one, other) <= MOST_DIFFERENT_BITS


def _picture(number: int) -> Picture:
    kinds = list(FINE)
    chance = np.random.default_rng(number)
    picture: Picture = shown(FINE[kinds[number % len(kinds)]](chance, 3))[1]
    return picture


def _compressed(picture: Picture) -> Picture:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=40)
    return np.asarray(Image.open(file))


def _half(picture: Picture) -> Picture:
    height, width, _ = picture.shape
    return np.asarray(Image.fromarray(picture).resize((width // 2, height // 2)))


COPIES: Final[dict[str, Callable[[Picture], Picture]]] = {
    "compressed": _compressed,
    "half the size": _half,
    "half the size and compressed": lambda picture: _compressed(_half(picture)),
    "brighter by 5 %": lambda picture: np.asarray(ImageEnhance.Brightness(Image.fromarray(picture)).enhance(1.05)),
    "marked": lambda picture: show_frame(picture, 1, "LoreMotion"),
    "cropped by 2 %": lambda picture: np.ascontiguousarray(picture[2:-1, 2:-2]),
}


if __name__ == "__main__":
    raise SystemExit(main())
