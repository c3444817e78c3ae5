"""Clips that begin with a given picture, from the stock pipeline and the same weights as clips from a prompt.

There is one latent frame for each frame and the VAE is the identity on pixels, so a first frame can be given by putting
it there before the first step, and again after each: both are arguments that the pipeline has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpu_worker.preview.recipe import NUM_FRAMES

StepCallback = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]


def hold(pictures: NDArray[np.uint8], seeds: Sequence[int]) -> Mapping[str, Any]:
    """Arguments of the pipeline call for clips that begin with ``pictures`` (uint8, clips × height × width × 3).

    The other frames begin as the noise that the pipeline itself draws for each clip's seed.
    """
    first = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1

    def put_back(pipeline: Any, step: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents = tensors["latents"].clone()
        latents[:, 0] = first.to(latents)
        return {**tensors, "latents": latents}

    noise = [torch.randn(NUM_FRAMES, *first.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return {
        "latents": put_back(None, 0, None, {"latents": torch.stack(noise)})["latents"],
        "callback_on_step_end": put_back,
    }
