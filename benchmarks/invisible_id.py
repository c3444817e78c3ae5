"""What an invisible id survives, and what it costs in looks, bytes and time.

    python -m benchmarks.invisible_id [--clips 12] [--frames 24] [--strengths 1,1.4,2]

Each strength has a row, so that the table is the curve between what a copy keeps and how much larger the file gets.
Clips are synthetic: landscapes whose frequencies are a photograph's, panned, still and dark, and objects on plain
ground. Panned by whole pixels they are what an encoder likes best, and so what a label costs most. The file is the one
that a worker writes: labelled pictures are encoded a little more coarsely, and what that costs in looks is printed
beside what the label itself does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.invisible_id_clips import Frames, clips, encoded, luma_of, pictures
from gpu_worker.engine.video.clip import CRF, CRF_OF_LABELLED, X264
from gpu_worker.media.invisible_id import code, marking, reading

LABEL_ID, KEY = 0xC0FFEE42, "a site's key"
DECODES: Final = 10_000
Attack = Callable[[Path, list[Frames]], list[Frames]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--strengths", default=str(marking.STRENGTH))
    options = parser.parse_args()
    false = _false_ids()
    print(f"ids in {DECODES} words of noise: {false}; milliseconds for a picture of 1280x720: {_milliseconds():.1f}")
    summary = ""
    with tempfile.TemporaryDirectory() as folder:
        for strength in map(float, options.strengths.split(",")):
            summary = _curve_at(strength, options.clips, options.frames, Path(folder) / "clip.mp4")
            print(summary, flush=True)
    return 0


def _curve_at(strength: float, count: int, num_frames: int, path: Path) -> str:
    found, wrong = Counter[str](), 0
    noise, likeness, ratios, lost = list[float](), list[float](), list[float](), list[float]()
    for name, frames in clips(count, num_frames):
        lumas = luma_of(frames)
        plain = encoded(path, lumas, crf=CRF, **X264)
        plain_bytes = path.stat().st_size
        marker = marking.Marking(KEY, LABEL_ID, *lumas[0].shape, strength=strength)
        marked = [marker.mark(luma) for luma in lumas]
        noise.append(_psnr(lumas, marked))
        likeness.append(mean(_ssim(one, other) for one, other in zip(lumas[::6], marked[::6], strict=True)))
        file = encoded(path, marked, crf=CRF_OF_LABELLED, **X264)
        ratios.append(path.stat().st_size / plain_bytes)
        lost.append(_psnr(lumas, plain) - _psnr(lumas, file))
        for attack, change in ATTACKS.items():
            change(path, file)
            label = _read(path)
            found[attack] += label is not None and label.id == LABEL_ID
            wrong += label is not None and label.id != LABEL_ID
        print(
            f"  {name}: PSNR {noise[-1]:.1f}, SSIM {likeness[-1]:.4f}, file x{ratios[-1]:.2f}, {lost[-1]:.1f} dB lost",
            flush=True,
        )
    shares = ", ".join(f"{attack} {100 * found[attack] / count:.0f} %" for attack in ATTACKS)
    return (
        f"strength {strength}: found: {shares}; wrong {wrong}; PSNR worst {min(noise):.1f}, SSIM worst "
        f"{min(likeness):.4f}; file x{median(ratios):.2f} in the middle, x{max(ratios):.2f} at most, and "
        f"{max(lost):.1f} dB further from the frames than without a label at most"
    )


def _resized(luma: Frames, factor: float) -> Frames:
    height, width = (int(side * factor) // 2 * 2 for side in luma.shape)
    return np.asarray(Image.fromarray(luma).resize((width, height), Image.Resampling.BICUBIC))


def _cropped(luma: Frames) -> Frames:
    height, width = (int(side * 0.9) // 2 * 2 for side in luma.shape)
    return np.ascontiguousarray(luma[18 : 18 + height, 40 : 40 + width])


ATTACKS: Final[dict[str, Attack]] = {
    "the file": lambda _, file: file,
    "CRF 28": lambda path, file: encoded(path, file, crf="28", preset="fast"),
    "half size CRF 23": lambda path, file: encoded(path, [_resized(luma, 0.5) for luma in file], crf="23"),
    "crop 10 %": lambda path, file: encoded(path, [_cropped(luma) for luma in file], crf="23"),
    "H.265 CRF 28": lambda path, file: encoded(
        path, file, "libx265", crf="28", preset="fast", **{"x265-params": "log-level=none"}
    ),
    "AV1 CRF 40": lambda path, file: encoded(path, file, "libsvtav1", crf="40", preset="10"),
}


def _read(path: Path) -> reading.Found | None:
    gathered = reading.gather(pictures(path))
    return None if gathered is None else reading.read(gathered, KEY)


def _psnr(one: list[Frames], other: list[Frames]) -> float:
    wrong = mean(float(np.mean((a.astype(float) - b) ** 2)) for a, b in zip(one, other, strict=True))
    return float(10 * np.log10(255**2 / wrong))


def _ssim(one: Frames, other: Frames) -> float:
    """The structural similarity of two pictures, over blocks of 8x8."""
    height, width = (side // 8 * 8 for side in one.shape)
    a, b = (x[:height, :width].astype(float).reshape(height // 8, 8, width // 8, 8) for x in (one, other))
    mean_a, mean_b = (x.mean(axis=(1, 3)) for x in (a, b))
    spread_a, spread_b = (x.var(axis=(1, 3)) for x in (a, b))
    both = (a * b).mean(axis=(1, 3)) - mean_a * mean_b
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    same = (2 * mean_a * mean_b + first) * (2 * both + second)
    return float((same / ((mean_a**2 + mean_b**2 + first) * (spread_a + spread_b + second))).mean())


def _false_ids() -> int:
    chance = np.random.default_rng(0)
    return sum(code.decode(chance.normal(0, 1, code.CODED_BITS)) is not None for _ in range(DECODES))


def _milliseconds() -> float:
    luma = np.random.default_rng(0).integers(16, 236, (720, 1280)).astype(np.uint8)
    marker = marking.Marking(KEY, LABEL_ID, 720, 1280)
    began = time.process_time()
    for _ in range(20):
        marker.mark(luma)
    return 1000 * (time.process_time() - began) / 20


if __name__ == "__main__":
    raise SystemExit(main())
