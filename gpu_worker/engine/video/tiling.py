"""Decoding in parts: less memory, and pixels that differ slightly at the seams. In space by diffusers, in time here.

diffusers' own parts in time all stay on the card until the last is decoded, and repeat a frame at the first seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from gpu_worker.engine.video.clip import Frames

BLENDED_FRAMES = 32
"""In which one part passes into the next. A decoder sees about as much of the time around a frame."""


_OVERLAPS = {
    "tile_overlap_factor_height": "tile_latent_min_height",
    "tile_overlap_factor_width": "tile_latent_min_width",
}


@contextmanager
def decode_in_tiles(vae: Any) -> Iterator[None]:
    """``vae`` decodes in overlapping tiles for the time of the block. Pixels differ slightly from those in one go."""
    was_tiled = getattr(vae, "use_tiling", False)
    overlaps = {name: getattr(vae, name) for name in _OVERLAPS if hasattr(vae, name)}
    vae.enable_tiling()
    for name, overlap in overlaps.items():
        # Of CogVideoX: unless it is a whole number of latents, tiles begin elsewhere than pixels are cut, and the
        # frame comes out too large.
        tile = getattr(vae, _OVERLAPS[name])
        setattr(vae, name, Fraction(round(tile * overlap), tile))
    try:
        yield
    finally:
        for name, overlap in overlaps.items():
            setattr(vae, name, overlap)
        if not was_tiled:
            vae.disable_tiling()


def decode_by_parts(
    decode: Callable[[torch.Tensor], torch.Tensor],
    latents: torch.Tensor,
    *,
    frames_per_part: int,
    frames_per_latent: int,
    take: Callable[[torch.Tensor, Frames, int], None],
) -> Frames:
    """Return the frames of ``latents``, ``(1, channels, time, height, width)``, decoded a part of the time at once.

    Each part begins with a latent of the part before, whose one frame is dropped, and its first ``BLENDED_FRAMES`` are
    blended with the last of that part. ``take`` puts decoded frames, ``(3, frames, height, width)``, into their place
    in main memory, so that only those of one part are on the card; it is told the number of the first of them.
    """
    last = latents.shape[2] - 1
    part, blended = frames_per_part // frames_per_latent, BLENDED_FRAMES // frames_per_latent
    frames: Frames | None = None
    tail: torch.Tensor | None = None
    for first in range(0, max(1, last - blended), part - blended):
        decoded = decode(latents[:, :, first : first + part + 1])[0]
        if frames is None:
            frames = np.empty((last * frames_per_latent + 1, *decoded.shape[2:], 3), dtype=np.uint8)
        begin = first * frames_per_latent
        if tail is not None:
            begin, decoded = begin + 1, decoded[:, 1:]
            _blend(tail, decoded)
        is_last = first + part >= last
        count = decoded.shape[1] if is_last else decoded.shape[1] - BLENDED_FRAMES
        take(decoded[:, :count], frames[begin : begin + count], begin)
        tail = decoded[:, count:].clone()
        del decoded
        if is_last:
            break
    assert frames is not None
    return frames


def _blend(before: torch.Tensor, after: torch.Tensor) -> None:
    """Let ``after`` begin with a passage from ``before``, in place."""
    count = min(before.shape[1], after.shape[1])
    weights = torch.arange(1, count + 1, device=after.device, dtype=after.dtype)[:, None, None] / (count + 1)
    after[:, :count] = torch.lerp(before[:, :count], after[:, :count], weights)
