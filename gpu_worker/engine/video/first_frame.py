"""Clips that begin with a given picture, from pipelines that take none: the picture is held as their first frame.

For pipelines that diffuse pixels, one latent frame for each frame, as the preview model does. The picture is put in its
place before the first step and put back after each: both are arguments that every CogVideoX pipeline has, and the
model was trained with first frames that are free of noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image


class HeldPictures:
    """First frames of a batch of clips, all of one size."""

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        pixels = np.stack([np.asarray(picture.convert("RGB"), np.float32) for picture in pictures])
        self._frames = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1  # clips, 3, height, width

    def latents(self, num_frames: int, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """What the clips begin as: (clips, frames, 3, height, width), the pipeline's own noise behind the pictures."""
        shape = (num_frames, *self._frames.shape[1:])
        return self.put(torch.stack([torch.randn(shape, generator=generator) for generator in generators]))

    def put_back(self, pipeline: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """A ``callback_on_step_end``."""
        return {**tensors, "latents": self.put(tensors["latents"])}

    def put(self, latents: torch.Tensor) -> torch.Tensor:
        """The same latents, with the pictures in their place."""
        return torch.cat([self._frames[:, None].to(latents), latents[:, 1:]], 1)
