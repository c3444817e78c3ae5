"""How often a clip is found again by its picture after it was encoded anew, and how often another is taken for it.

    python -m benchmarks.likeness [--clips 120] [--pictures 4000]

Clips are the synthetic ones of ``benchmarks.broken_clips``, as a worker delivers them. Copies are what other programs
make of them. Each is read as a file that is sent to ``/verify/`` is, and compared with all clips by the bands and the
distance that the site goes by, and by other distances beside that. How often another clip is taken for one is counted
over the pairs of many more pictures, which nobody encoded. None of them is a photograph.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from benchmarks.broken_clips import FINE, shown
from generation.provenance.picture_hashes import read_hashes
from gpu_worker.engine.video.clip import write_clip
from gpu_worker.media import likeness
from gpu_worker.media.perceptual_hash import BANDS, MOST_DIFFERENT_BITS, bands_of, distance, hash_of
from gpu_worker.media.reply import Reply

FPS: Final = 24
DISTANCES: Final = sorted({6, 10, 15, 20, 30, MOST_DIFFERENT_BITS})
COPIES: Final[dict[str, dict[str, Any]]] = {
    "the file itself, its marks gone": {"crf": 18},
    "H.264 CRF 23": {"crf": 23},
    "H.264 CRF 28": {"crf": 28},
    "half the size, CRF 23": {"crf": 23, "scale": 0.5},
    "half the size, CRF 28": {"crf": 28, "scale": 0.5},
    "15 frames a second, CRF 23": {"crf": 23, "fps": 15},
    "cropped by 10 %, CRF 23": {"crf": 23, "crop": 0.1},
    "H.265 CRF 28": {"crf": 28, "codec": "libx265"},
    "the first fifth cut off, CRF 23": {"crf": 23, "skip": 0.2},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--pictures", type=int, default=4_000)
    options = parser.parse_args()
    count: int = options.clips
    began = time.process_time()
    kinds = list(FINE)
    known: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        file, copy = Path(folder) / "clip.mp4", Path(folder) / "copy.mp4"
        found: dict[str, list[list[str]]] = {name: [] for name in COPIES}
        for number in range(count):
            chance = np.random.default_rng(number)
            frames = shown(FINE[kinds[number % len(kinds)]](chance, int(chance.choice([16, 24, 33]))))
            hashed = hash_of(frames[len(frames) // 2])
            if not hashed:
                continue
            known[number] = hashed
            write_clip(file, frames, FPS)
            for name, change in COPIES.items():
                _copy(file, copy, **change)
                found[name].append(_hashes_in(copy))
    print(f"{len(known)} of {count} clips show enough for a hash")
    for name, copies in found.items():
        pairs = list(zip(known.values(), copies, strict=True))
        hits = {most: sum(_is_found(known, seen, most) for known, seen in pairs) for most in DISTANCES}
        percents = ", ".join(f"{100 * count / max(1, len(pairs)):.1f} % within {most}" for most, count in hits.items())
        print(f"found again, {name}: {percents}")
    numbers = list(known)
    for most in DISTANCES:
        false = sum(
            _is_found(known[other], hashes, most)
            for hashes, number in zip(found["H.264 CRF 23"], numbers, strict=True)
            for other in numbers
            if other != number
        )
        print(f"another clip taken for it within {most} bits: {false} of {len(numbers) * (len(numbers) - 1)} pairs")
    _print_pairs(options.pictures)
    print(f"{BANDS} bands, {time.process_time() - began:.0f} s of processor time of this process")
    return 0


def _print_pairs(count: int) -> None:
    """Say how many pairs of pictures that have nothing to do with each other look alike."""
    kinds = list(FINE)
    drawn = (shown(FINE[kinds[number % len(kinds)]](np.random.default_rng(number), 3))[1] for number in range(count))
    hashes = [hashed for picture in drawn if (hashed := hash_of(picture))]
    bits = np.unpackbits(np.array([list(bytes.fromhex(each)) for each in hashes], np.uint8), axis=1).astype(np.float32)
    apart = bits @ (1 - bits).T  # bits that one has and the other has not
    differ = (apart + apart.T)[np.triu_indices(len(hashes), k=1)]
    for most in DISTANCES:
        print(f"two pictures taken for one within {most} bits: {int((differ <= most).sum())} of {differ.size} pairs")


def _hashes_in(copy: Path) -> list[str]:
    """What the sandbox says of the file, without the process around it."""
    said, stdin = io.BytesIO(), sys.stdin
    with copy.open("rb") as file:
        sys.stdin = io.TextIOWrapper(file)
        try:
            likeness.read({}, Reply(said))
        except SystemExit:
            return []
        finally:
            sys.stdin = stdin
    return read_hashes(json.loads(said.getvalue())["hashes"])


def _is_found(known: str, hashes: list[str], most: int) -> bool:
    """Whether the index leads to it and the distance lets it count."""
    return any(set(bands_of(known)) & set(bands_of(each)) and distance(known, each) <= most for each in hashes)


def _copy(
    file: Path,
    copy: Path,
    *,
    crf: int,
    codec: str = "libx264",
    scale: float = 1.0,
    fps: int = FPS,
    crop: float = 0.0,
    skip: float = 0.0,
) -> None:
    options = {"crf": str(crf), "preset": "veryfast"} | ({"x265-params": "log-level=none"} if "265" in codec else {})
    with av.open(str(copy), "w") as out:
        stream: Any = None
        for index, frame in enumerate(_kept(file, fps, skip)):
            picture = frame.to_ndarray(format="rgb24")
            top, left = (int(side * crop / 2) for side in picture.shape[:2])
            picture = picture[top : picture.shape[0] - top, left : picture.shape[1] - left]
            if stream is None:
                height, width = (int(side * scale) // 2 * 2 for side in picture.shape[:2])
                stream = out.add_stream(codec, rate=fps, options=options)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            made = av.VideoFrame.from_ndarray(picture.copy(), format="rgb24").reformat(width, height, "yuv420p")
            made.pts, made.time_base = index, Fraction(1, fps)
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))


def _kept(file: Path, fps: int, skip: float) -> Iterator[Any]:
    with av.open(str(file)) as source:
        frames = list(source.decode(video=0))
    frames = frames[int(len(frames) * skip) :]
    for tick in range(max(1, round(len(frames) * fps / FPS))):
        yield frames[min(len(frames) - 1, round(tick * FPS / fps))]


if __name__ == "__main__":
    raise SystemExit(main())
