"""Prints what the models of the seeded rows take at full size: ``python -m tests.full_size [ROW …]``."""

from __future__ import annotations

import sys

from tests.full_size.figures import decoding_bytes, denoising_bytes, encoding_bytes, weights_of
from tests.full_size.models import MODELS
from tests.full_size.test_figures import UNTRACEABLE, size_of, stated
from tests.full_size.tracer import full_size_card


def main(rows: list[str]) -> int:
    for row in rows or MODELS:
        model = MODELS[row]
        print(row, *(f"{name} {value:.4g}" for name, value in weights_of(model).items()))
        for width, height, frames in {size_of(model), (*size_of(model)[:2], 33)}:
            size, voxels = (width, height, frames), width * height * frames
            with full_size_card():
                counted = {
                    "denoising": 0 if row in UNTRACEABLE else denoising_bytes(model, size),
                    "decoding": decoding_bytes(model, size),
                    "tiled decoding": decoding_bytes(
                        model, size, is_tiled=True, frames_per_part=stated(model).vae.frames_per_part
                    ),
                    "encoding": encoding_bytes(model, size),
                }
            for stage, size_bytes in counted.items():
                figures = f"{size_bytes / 2**30:.2f} GiB, {size_bytes / voxels:.1f} bytes a voxel"
                print(f"  {width}x{height}x{frames} {stage}: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
