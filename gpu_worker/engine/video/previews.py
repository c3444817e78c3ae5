"""Small pictures of a clip while it is still latents."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import torch
from PIL import Image

LONGEST_SIDE_PIXELS = 160
MOST_BYTES = 6_000
MOST_COST = 0.02
"""Largest part of the rendering time that pictures may take."""


class PreviewPainter:
    """Paints latents as a ``data:`` address, seldom enough to cost next to nothing. The first picture comes at once."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, wait_for_card: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._wait_for_card = wait_for_card
        self._not_before = float("-inf")

    def paint(self, pipeline: Any, latents: torch.Tensor, *, num_frames: int, width: int, height: int) -> str | None:
        """A JPEG of the middle of the clip, or None when the last one was too recent."""
        if self._clock() < self._not_before:
            return None
        self._wait_for_card()  # most of a step may still stand in its queue, and would be taken for the picture's cost
        started = self._clock()
        volume = latent_volume(pipeline, latents, num_frames=num_frames, width=width, height=height)
        picture = to_jpeg_address(colours_of(volume[:, volume.shape[1] // 2]), width=width, height=height)
        finished = self._clock()
        self._not_before = finished + (finished - started) * (1 / MOST_COST - 1)
        return picture


def latent_volume(pipeline: Any, latents: torch.Tensor, *, num_frames: int, width: int, height: int) -> torch.Tensor:
    """Latents of the first clip in the batch as ``(channels, frames, height, width)``, from any layout."""
    if latents.ndim == 3:  # packed into tokens, as LTX does
        temporal, spatial = pipeline.vae_temporal_compression_ratio, pipeline.vae_spatial_compression_ratio
        grid = (num_frames - 1) // temporal + 1, height // spatial, width // spatial
        patches = pipeline.transformer_spatial_patch_size, pipeline.transformer_temporal_patch_size
        tokens = prod(grid) // (patches[0] ** 2 * patches[1])
        latents = pipeline._unpack_latents(_without_conditions(pipeline, latents, tokens), *grid, *patches)
    volume = latents[0]
    if type(pipeline).__name__.startswith("CogVideoX"):  # the one family that puts frames before channels
        volume = volume.transpose(0, 1)
    return volume


def _without_conditions(pipeline: Any, latents: torch.Tensor, tokens: int) -> torch.Tensor:
    """The clip's own tokens. Pictures that it has to show later stand before them in LTX, and after them in LTX-2."""
    is_after = type(pipeline).__name__.startswith("LTX2")
    return latents[:, :tokens] if is_after else latents[:, -tokens:]


def colours_of(latent: torch.Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """``(channels, height, width)`` as ``(height, width, 3)``. Three channels are taken for pixels in −1 … 1."""
    values = latent.detach().float().cpu().nan_to_num(0.0, 1.0, -1.0)
    if values.shape[0] != 3:
        flat = values.flatten(1) - values.flatten(1).mean(dim=1, keepdim=True)
        directions = torch.linalg.svd(flat, full_matrices=False).U[:, :3].T
        painted = directions @ flat
        values = (painted / (2 * painted.std() + 1e-6)).reshape(-1, *latent.shape[1:])
        values = torch.cat([values, values[:1].expand(3 - len(values), -1, -1)]) if len(values) < 3 else values
    return ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()


def to_jpeg_address(pixels: np.ndarray[Any, np.dtype[np.uint8]], *, width: int, height: int) -> str:
    """``pixels`` enlarged towards the clip's size as a JPEG ``data:`` address of at most ``MOST_BYTES``."""
    scale = LONGEST_SIDE_PIXELS / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    for quality in (80, 60, 40, 20, 5):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= MOST_BYTES * 3 // 4:  # base64 makes four characters of three bytes
            break
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
