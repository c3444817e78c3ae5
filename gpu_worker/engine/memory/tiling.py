"""Decoding in tiles: less memory, and pixels that differ slightly at the seams. It is diffusers'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def tiled(vae: Any) -> Iterator[None]:
    """``vae`` decodes in overlapping tiles for the time of the block. Pixels differ slightly from those in one go."""
    was_tiled = getattr(vae, "use_tiling", False)
    vae.enable_tiling()
    try:
        yield
    finally:
        if not was_tiled:
            vae.disable_tiling()
